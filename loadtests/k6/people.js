// 100 people at once, 1,000 reservations, four of five requests read (PF-01).
// Run by `python -m loadtests.load people`, which starts the system and checks the database afterwards.
import exec from 'k6/execution';

import { book, cancel, mineCount, PEOPLE, read, reschedule, signEverybodyIn, sit, summary, think } from './office.js';

const RESERVATIONS = Number(__ENV.RESERVATIONS || 1000);
const READS_A_WRITE = 4;

const KINDS = ['own list', 'rooms', 'availability', 'day of a room', 'day', 'book', 'cancel', 'reschedule'];
// Thresholds that always hold: k6 reports a part of a metric only when it has one.
const SHOWN = Object.fromEntries(KINDS.map((kind) => [`http_req_duration{name:${kind}}`, ['max>=0']]));

export const options = {
  scenarios: {
    people: {
      executor: 'per-vu-iterations',
      vus: PEOPLE,
      iterations: Math.max(1, Math.round(RESERVATIONS / PEOPLE)),
      maxDuration: __ENV.LIMIT || '10m',
    },
  },
  setupTimeout: '180s',
  thresholds: {
    checks: ['rate==1'],
    http_req_failed: ['rate==0'],
    'http_req_duration{part:visit}': ['p(95)<300'],
    reservations_made: [`count>=${RESERVATIONS}`],
    ...SHOWN,
  },
  summaryTrendStats: ['avg', 'med', 'p(95)', 'p(99)', 'max', 'count'],
};

export function setup() {
  return signEverybodyIn();
}

// A visit ends with one reservation made; a slot that is taken is no fault, the person looks again and tries another.
export default function visit(data) {
  sit(data);
  // Nobody comes on the same millisecond as ninety-nine others.
  if (exec.vu.iterationInScenario === 0) think();
  for (;;) {
    for (let look = 0; look < READS_A_WRITE; look += 1) {
      read();
      think();
    }
    const chance = Math.random();
    if (mineCount() > 0 && chance < 0.1) cancel();
    else if (mineCount() > 0 && chance < 0.2) reschedule();
    else if (book()) return;
    think();
  }
}

export const handleSummary = summary;
