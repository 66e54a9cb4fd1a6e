import { describeLives, silences } from './faults.ts';

describeLives(silences);
