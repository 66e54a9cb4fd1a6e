import { installationShape, repositoryShape } from './repository-shapes.ts';
import {
  account,
  findRepository,
  type Installation,
  type Json,
  nextInstallation,
  type Repository,
  timestamp,
} from './state.ts';
import { announceInstallation, type World } from './world.ts';

/** The short form of repositories in installation events. */
function shortShape(world: World, repository: Repository): Json {
  const { id, node_id, name, full_name, private: isPrivate } = repositoryShape(world.state, repository);
  return { id, node_id, name, full_name, private: isPrivate };
}

/** What org admins do with the app. */
export function createInstalling(world: World) {
  const { state } = world;
  const named = (fullNames: string[]): Repository[] =>
    fullNames.map((name) => findRepository(state, name)).filter((found) => found !== undefined);
  const at = (id: number): Installation => {
    const installation = state.installations.get(id);
    if (!installation) throw new Error(`no installation ${id}`);
    return installation;
  };
  const announce = async (event: string, installation: Installation, login: string, payload: Json): Promise<void> => {
    account(state, login);
    announceInstallation(
      world,
      event,
      installation,
      { login, viaApp: false },
      { installation: installationShape(state, installation), ...payload },
    );
    await world.webhooks.settled();
  };

  return {
    /** Installs the app for an account: `installation` `created`. */
    async installApp(owner: string, repositories: string[], login: string): Promise<Installation> {
      account(state, owner, 'Organization');
      const installation: Installation = {
        id: nextInstallation(),
        account: owner,
        selection: 'selected',
        repositories: new Set(named(repositories).map((repository) => repository.id)),
        permissions: { ...state.app.permissions },
        suspendedAt: null,
        createdAt: timestamp(state),
      };
      state.installations.set(installation.id, installation);
      await announce('installation', installation, login, {
        action: 'created',
        repositories: named(repositories).map((repository) => shortShape(world, repository)),
        requester: null,
      });
      return installation;
    },
    /** `installation_repositories` `added`. */
    async addRepositories(id: number, repositories: string[], login: string): Promise<void> {
      const installation = at(id);
      for (const repository of named(repositories)) installation.repositories.add(repository.id);
      const added = named(repositories).map((repository) => shortShape(world, repository));
      await announce('installation_repositories', installation, login, {
        action: 'added',
        repository_selection: installation.selection,
        repositories_added: added,
        repositories_removed: [],
        requester: null,
      });
    },
    /** `installation_repositories` `removed`; tokens lose the repositories at once. */
    async removeRepositories(id: number, repositories: string[], login: string): Promise<void> {
      const installation = at(id);
      for (const repository of named(repositories)) installation.repositories.delete(repository.id);
      const removed = named(repositories).map((repository) => shortShape(world, repository));
      await announce('installation_repositories', installation, login, {
        action: 'removed',
        repository_selection: installation.selection,
        repositories_added: [],
        repositories_removed: removed,
        requester: null,
      });
    },
    /** `installation` `deleted`. */
    async uninstallApp(id: number, login: string): Promise<void> {
      const installation = at(id);
      state.installations.delete(id);
      await announce('installation', installation, login, { action: 'deleted', repositories: [], requester: null });
    },
  };
}
