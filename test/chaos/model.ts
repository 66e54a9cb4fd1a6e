import type { ChatRequest, Reply } from '../support/model-stand-in.ts';
import { call, scripted, submit } from '../support/scripted.ts';

const usual = scripted([]) as (request: ChatRequest, index: number) => Promise<Reply>;
/** What the check says of the first round's work. */
export const objection = 'WRONG SUM';
/** Apart in the text of the check, so that nobody who has only read it is taken for told. */
const words = objection.split(' ');

/** Its one check lets the base and a right sum pass; the shell alone does it, so that the image may be tiny. */
export const chaosRepository = (image: string) => ({
  'README.md': '# small\n',
  'check.sh': `[ -f src/sum.txt ] || exit 0\nread -r sum <src/sum.txt\n[ "$sum" = 5 ] || { echo ${words[0]}' ${words[1]}'; exit 1; }\n`,
  '.github/millwright.yml': `image: ${image}\nfiles: { allow: ["src/**", "test/**"] }\nchecks: { unit: sh check.sh }\n`,
  '.github/ISSUE_TEMPLATE/agent-task.yml': 'name: Agent task\n',
});

/**
 * Answers by what a conversation holds and by nothing else, so that a killed process may ask anew: the first round writes
 * a wrong sum; told of it, the second reads what is there and mends it.
 */
export function twoRounds(delayMs: number) {
  return async (request: ChatRequest, index: number): Promise<Reply> => {
    if (request.response_format?.json_schema) return usual(request, index);
    const texts = request.messages.map(textOf);
    const told = texts.findLastIndex((text) => text.includes(objection));
    const since = request.messages.slice(told + 1).filter((message) => message.role === 'assistant').length;
    const steps = told < 0 ? firstRound : secondRound;
    return { ...(steps[since] ?? submit('the sum is written')), delayMs } as Reply;
  };
}

const firstRound = [call('write_file', { path: 'src/sum.txt', content: '6\n' })];
const secondRound = [
  call('read_file', { path: 'src/sum.txt' }),
  call('write_file', { path: 'src/sum.txt', content: '5\n' }),
];

export function textOf({ content }: ChatRequest['messages'][number]): string {
  return typeof content === 'string' ? content : (content ?? []).map((part) => part.text ?? '').join('');
}

/** Whether a request opens a conversation that knows of the first round's failure: the start of a fresh second round. */
export const opensSecondRound = ({ messages, response_format }: ChatRequest): boolean =>
  response_format === undefined &&
  messages.every((message) => message.role !== 'assistant') &&
  messages.some((message) => textOf(message).includes(objection));
