import { createHmac, randomUUID } from 'node:crypto';
import { type Json, nodeId, type State } from './state.ts';

/** GitHub gives a receiver ten seconds. */
const TIMEOUT_MS = 10_000;

export interface Delivery {
  id: number;
  guid: string;
  event: string;
  action: string | null;
  deliveredAt: string;
  redelivery: boolean;
  durationS: number;
  status: string;
  statusCode: number;
  installationId: number | null;
  repositoryId: number | null;
  repository: string | null;
  payload: Json;
  requestHeaders: Record<string, string>;
  responseBody: string;
}

export interface Webhooks {
  setUrl: (url: string | null) => void;
  url: () => string | null;
  /** While true every delivery is lost, and recorded as a failed one. */
  drop: (on: boolean) => void;
  /** Queues an event; resolves when the receiver has answered or the delivery has failed. */
  emit: (event: string, payload: Json) => Promise<void>;
  redeliver: (id: number) => Promise<Delivery>;
  deliveries: () => Delivery[];
  /** Resolves when everything queued so far has been delivered or lost. */
  settled: () => Promise<void>;
}

interface Outcome {
  status: string;
  statusCode: number;
  body: string;
}

async function post(url: string, headers: Record<string, string>, body: string): Promise<Outcome> {
  try {
    const response = await fetch(url, { method: 'POST', headers, body, signal: AbortSignal.timeout(TIMEOUT_MS) });
    const answer = await response.text();
    const status = response.ok ? 'OK' : `Invalid HTTP Response: ${response.status}`;
    return { status, statusCode: response.status, body: answer };
  } catch (cause) {
    const late = cause instanceof Error && cause.name === 'TimeoutError';
    return late
      ? { status: 'timed out', statusCode: 504, body: '' }
      : { status: 'failed to connect to host', statusCode: 502, body: String(cause) };
  }
}

/** Signs, sends and records deliveries, one after the other: tests want the order in which things happened. */
export function createWebhooks(state: State): Webhooks {
  const log: Delivery[] = [];
  let url: string | null = null;
  let dropping = false;
  let queue: Promise<unknown> = Promise.resolve();

  const sign = (body: string): string =>
    `sha256=${createHmac('sha256', state.app.webhookSecret).update(body).digest('hex')}`;

  const send = async (record: Delivery, body: string): Promise<Delivery> => {
    const started = performance.now();
    const outcome: Outcome =
      dropping || url === null
        ? { status: 'failed to connect to host', statusCode: 502, body: '' }
        : await post(url, record.requestHeaders, body);
    record.durationS = Math.round((performance.now() - started) / 10) / 100;
    record.deliveredAt = new Date(state.now()).toISOString();
    record.status = outcome.status;
    record.statusCode = outcome.statusCode;
    record.responseBody = outcome.body;
    log.push(record);
    return record;
  };

  const enqueue = (event: string, payload: Json, guid: string, redelivery: boolean): Promise<Delivery> => {
    const body = JSON.stringify(payload);
    const repository = payload.repository as { id: number; full_name: string } | undefined;
    const installation = payload.installation as { id: number } | undefined;
    const record: Delivery = {
      id: state.nextId(),
      guid,
      event,
      action: typeof payload.action === 'string' ? payload.action : null,
      deliveredAt: '',
      redelivery,
      durationS: 0,
      status: '',
      statusCode: 0,
      installationId: installation?.id ?? null,
      repositoryId: repository?.id ?? null,
      repository: repository?.full_name ?? null,
      payload: JSON.parse(body) as Json,
      requestHeaders: {
        accept: '*/*',
        'content-type': 'application/json',
        'user-agent': 'GitHub-Hookshot/stand-in',
        'x-github-delivery': guid,
        'x-github-event': event,
        'x-github-hook-id': '1',
        'x-github-hook-installation-target-id': String(state.app.id),
        'x-github-hook-installation-target-type': 'integration',
        'x-hub-signature-256': sign(body),
      },
      responseBody: '',
    };
    const sent = queue.then(() => send(record, body));
    queue = sent;
    return sent;
  };

  return {
    url: () => url,
    setUrl: (next) => {
      url = next;
    },
    drop: (on) => {
      dropping = on;
    },
    emit: async (event, payload) => {
      const always = event === 'installation' || event === 'installation_repositories';
      if (!always && state.app.events !== null && !state.app.events.includes(event)) return;
      await enqueue(event, payload, randomUUID(), false);
    },
    redeliver: async (id) => {
      const earlier = log.find((delivery) => delivery.id === id);
      if (!earlier) throw new Error(`no delivery ${id}`);
      return enqueue(earlier.event, earlier.payload, earlier.guid, true);
    },
    deliveries: () => [...log],
    settled: async () => {
      await queue;
    },
  };
}

/** A delivery as `GET /app/hook/deliveries` lists it. */
export function deliveryItem(delivery: Delivery): Json {
  return {
    id: delivery.id,
    guid: delivery.guid,
    delivered_at: delivery.deliveredAt,
    redelivery: delivery.redelivery,
    duration: delivery.durationS,
    status: delivery.status,
    status_code: delivery.statusCode,
    event: delivery.event,
    action: delivery.action,
    installation_id: delivery.installationId,
    repository_id: delivery.repositoryId,
    throttled_at: null,
  };
}

export const installationStub = (id: number): Json => ({ id, node_id: nodeId('IntegrationInstallation', id) });
