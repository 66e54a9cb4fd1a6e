import { z } from 'zod';
import { Submission } from './result.ts';
import { type AgentTool, defineTool } from './tool.ts';

/** The two ways in which the agent ends a round by itself. */
export const submit: AgentTool = defineTool({
  name: 'submit',
  description: 'Hands complete work in. The app then runs every check itself: what you write here is a claim.',
  shape: Submission,
  run: async (submission) => ({ kind: 'submitted', submission }),
});

export const ask: AgentTool = defineTool({
  name: 'ask',
  description: 'Asks the people on the issue and ends the round until they answer.',
  shape: z.object({
    question: z.string().min(1).describe('One, to be answered in a sentence; name the choices.'),
  }),
  run: async ({ question }) => ({ kind: 'asked', question }),
});
