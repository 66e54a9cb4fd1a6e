import { systemClock } from '../../src/clock.ts';
import { createEgressWall } from '../../src/sandbox/egress-wall.ts';
import { testEngine } from '../support/sandboxes.ts';

// Opens a container with network, says its name and instance, and waits to be killed.
const log = { debug: () => {}, warn: () => {} };
const engine = testEngine({ egress: createEgressWall({ clock: systemClock, log }) });
const sandbox = await engine.openOn({ 'a.txt': 'a\n' }, { network: { hosts: ['svc.example:443'], addresses: [] } });
console.log(JSON.stringify({ name: sandbox.name, instance: engine.instance }));
await new Promise((resolve) => setTimeout(resolve, 600_000));
