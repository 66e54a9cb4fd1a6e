import type OpenAI from 'openai';
import type { ModelMessage, ModelRequest } from './model.ts';
import type { SentFeatures, ServerTraits } from './server-traits.ts';

type ChatParams = OpenAI.Chat.ChatCompletionCreateParamsNonStreaming;
type ChatMessage = OpenAI.Chat.ChatCompletionMessageParam;

/** A request in the words of Chat Completions, made of what this server is known to take. */
export function chatParams(request: ModelRequest, traits: ServerTraits): ChatParams {
  const messages = traits.parallelCalls === 'single' ? oneCallAtATime(request.messages) : request.messages;
  const params: ChatParams = { model: request.model, messages: messages.map(chatMessage) };
  if (request.effort !== null && traits.effort) {
    // The provider judges the word; a server that does not know it is remembered.
    params.reasoning_effort = request.effort as NonNullable<ChatParams['reasoning_effort']>;
  }
  const limit = outputLimit(request, traits);
  if (limit !== null && traits.outputField !== 'none') params[traits.outputField] = limit;
  if (request.tools !== undefined && request.tools.length > 0) addTools(params, request, traits);
  if (request.schema !== undefined) addSchema(params, request, request.schema, traits);
  return params;
}

/** Which optional features the request made of these traits uses. */
export function sentFeatures(request: ModelRequest, traits: ServerTraits): SentFeatures {
  return {
    tools: (request.tools?.length ?? 0) > 0,
    schema: request.schema !== undefined,
    effort: request.effort !== null && traits.effort,
    outputTokens: traits.outputField === 'none' ? null : outputLimit(request, traits),
  };
}

/** Tools that the model may choose from leave no room for a forced one: the shape is then asked for in words. */
export function asksByForcedTool(request: ModelRequest, traits: ServerTraits): boolean {
  return request.schema !== undefined && traits.schema === 'forced-tool' && (request.tools?.length ?? 0) === 0;
}

function outputLimit(request: ModelRequest, traits: ServerTraits): number | null {
  if (request.maxOutputTokens === undefined) return null;
  return Math.min(request.maxOutputTokens, traits.outputCap ?? request.maxOutputTokens);
}

function addTools(params: ChatParams, request: ModelRequest, traits: ServerTraits): void {
  params.tools = (request.tools ?? []).map((tool) => ({
    type: 'function',
    function: { name: tool.name, description: tool.description, parameters: tool.parameters },
  }));
  if (traits.parallelCalls === 'asked') params.parallel_tool_calls = true;
}

function addSchema(
  params: ChatParams,
  request: ModelRequest,
  schema: NonNullable<ModelRequest['schema']>,
  traits: ServerTraits,
): void {
  if (traits.schema === 'json-schema') {
    params.response_format = {
      type: 'json_schema',
      json_schema: { name: schema.name, schema: schema.json, strict: true },
    };
  } else if (asksByForcedTool(request, traits)) {
    const description = 'Hand in the answer. Call it exactly once.';
    params.tools = [{ type: 'function', function: { name: schema.name, description, parameters: schema.json } }];
    params.tool_choice = { type: 'function', function: { name: schema.name } };
  } else {
    const text = `Answer with one JSON value and nothing else: no prose, no code fence. It must match this JSON schema:\n${JSON.stringify(schema.json)}`;
    params.messages.push({ role: 'user', content: text });
  }
}

function chatMessage(message: ModelMessage): ChatMessage {
  switch (message.role) {
    case 'system':
      return { role: 'system', content: message.text };
    case 'user':
      return { role: 'user', content: message.text };
    case 'tool':
      return { role: 'tool', tool_call_id: message.callId, content: message.text };
    case 'assistant':
      if (message.toolCalls.length === 0) return { role: 'assistant', content: message.text };
      return {
        role: 'assistant',
        content: message.text === '' ? null : message.text,
        tool_calls: message.toolCalls.map((call) => ({
          id: call.id,
          type: 'function',
          function: { name: call.name, arguments: call.argumentsText },
        })),
      };
  }
}

/** The same history with every reply of several calls told as several replies of one call each. */
function oneCallAtATime(messages: readonly ModelMessage[]): ModelMessage[] {
  const results = new Map(messages.flatMap((message) => (message.role === 'tool' ? [[message.callId, message]] : [])));
  const told: ModelMessage[] = [];
  const moved = new Set<string>();
  for (const message of messages) {
    if (message.role === 'tool' && moved.has(message.callId)) continue;
    if (message.role !== 'assistant' || message.toolCalls.length < 2) {
      told.push(message);
      continue;
    }
    message.toolCalls.forEach((call, index) => {
      told.push({ role: 'assistant', text: index === 0 ? message.text : '', toolCalls: [call] });
      const result = results.get(call.id);
      if (result === undefined) return;
      told.push(result);
      moved.add(call.id);
    });
  }
  return told;
}
