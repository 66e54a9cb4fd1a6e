import { until } from '../support/until.ts';
import type { BenchRow } from './row.ts';
import { openScaleSite, type ScaleSite, type ServiceProcess } from './scale-site.ts';

const many = 50;
const few = 10;

/** Runs at once on one worker with folders for containers: memory and CPU of the service's process for each. */
export async function runsAtOnceBench(): Promise<BenchRow[]> {
  await using site = await openScaleSite();
  const service = await site.start(['web', 'runs'], { WORKER_CONCURRENCY: `${many}` });
  await site.inReview(await site.label(2));
  const floor = await measure(site, service, few);
  const figure = await measure(site, service, many);
  const row = (what: string, key: 'memoryMb' | 'ownMs' | 'programsMs', unit: string): BenchRow => ({
    name: `${what} a run, ${many} at once / ${few} at once`,
    figure: figure[key],
    floor: floor[key],
    target: null,
    unit,
  });
  return [
    row('memory of', 'memoryMb', 'MB'),
    row('CPU of the control plane for', 'ownMs', 'ms'),
    row('CPU of git and the checks for', 'programsMs', 'ms'),
  ];
}

/** All of them stand in the build, each waiting for the model, when memory is read. */
async function measure(site: ScaleSite, service: ServiceProcess, runs: number) {
  const idleMb = service.memoryMb();
  const before = service.cpuS();
  site.closeGate();
  const numbers = await site.label(runs);
  await until(() => site.waiting() === runs, 150_000);
  const memoryMb = (service.memoryMb() - idleMb) / runs;
  site.openGate();
  await site.inReview(numbers);
  const after = service.cpuS();
  return {
    memoryMb,
    ownMs: ((after.own - before.own) * 1000) / runs,
    programsMs: ((after.programs - before.programs) * 1000) / runs,
  };
}
