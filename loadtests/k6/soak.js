// A steady day's work for as long as asked; the runner watches the memory of every process meanwhile.
import { act, PEOPLE, signEverybodyIn, sit, summary } from './office.js';

export const options = {
  scenarios: {
    soak: {
      executor: 'constant-arrival-rate',
      rate: Number(__ENV.RATE || 60),
      duration: `${__ENV.SECONDS || 600}s`,
      preAllocatedVUs: PEOPLE,
      maxVUs: PEOPLE * 2,
    },
  },
  setupTimeout: '180s',
  thresholds: {
    checks: ['rate==1'],
    http_req_failed: ['rate==0'],
    dropped_iterations: ['count==0'],
    'http_req_duration{part:visit}': ['p(95)<300'],
  },
  summaryTrendStats: ['avg', 'med', 'p(95)', 'p(99)', 'max', 'count'],
};

export function setup() {
  return signEverybodyIn();
}

export default function request(data) {
  sit(data);
  act();
}

export const handleSummary = summary;
