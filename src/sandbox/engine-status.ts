import type Docker from 'dockerode';
import { engineCall } from './docker-client.ts';
import type { EngineStatus } from './sandbox.ts';

const answerMs = 5_000;

interface EngineInfo {
  ServerVersion: string;
  OSType: string;
  MemoryLimit: boolean;
  PidsLimit: boolean;
  CpuCfsQuota: boolean;
  SecurityOptions: string[] | null;
  DockerRootDir?: string;
}

/** Whether an engine answers and has every limit that the walls are made of; `local`: it runs on this machine. Never rejects. */
export async function engineStatus(docker: Docker, local: boolean): Promise<EngineStatus> {
  const [answer] = await Promise.allSettled([
    engineCall('ask the engine', docker.info() as Promise<EngineInfo>, answerMs),
  ]);
  if (answer.status === 'rejected') return { available: false, reason: (answer.reason as Error).message };
  const info = answer.value;
  const lacks = [
    [info.OSType !== 'linux', 'Linux containers'],
    [!info.MemoryLimit, 'memory limits'],
    [!info.PidsLimit, 'process limits'],
    [!info.CpuCfsQuota, 'CPU limits'],
    [!(info.SecurityOptions ?? []).some((option) => option.includes('seccomp')), 'seccomp'],
  ].flatMap(([lacking, what]) => (lacking ? [String(what)] : []));
  const place = local && info.DockerRootDir ? { dataRoot: info.DockerRootDir } : {};
  if (lacks.length === 0) return { available: true, version: info.ServerVersion, ...place };
  return { available: false, reason: `the Docker engine lacks ${lacks.join(', ')}`, version: info.ServerVersion };
}
