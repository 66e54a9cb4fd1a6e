/** The door to MCP servers, which give tools to the agent. One real implementation, `http-mcp.ts`. */
export interface Mcp {
  /**
   * Connects and asks for the tools, within a bound of time. Nothing else is asked of the server, and nothing is done for it.
   * Errors: `outside.mcp`, whose message holds no credential; `run.cancelled` when the signal aborts.
   */
  connect(server: McpServer, options: McpConnecting): Promise<McpConnection>;
}

/** Of the operator ceiling alone. */
export interface McpServer {
  name: string;
  url: string;
  /** Credentials among them: for requests to this server only. */
  headers: Readonly<Record<string, string>>;
  /** What of the headers must never be shown, the longest first. */
  hidden: readonly string[];
}

export interface McpConnecting {
  signal: AbortSignal;
  /** Default: 15 seconds. */
  timeoutMs?: number;
  /** The server asked something of us, such as `sampling/createMessage`: it was refused. */
  onAsked?: (method: string) => void;
}

export interface McpConnection extends AsyncDisposable {
  /** As listed when the connection was opened, all of it untrusted. */
  readonly tools: readonly OfferedTool[];
  /**
   * Calls may run side by side. Errors: `outside.mcp`, after which no further call should be made on this connection, though
   * those under way go on; it closes after the last of them. `run.cancelled`.
   */
  call(tool: string, given: Readonly<Record<string, unknown>>, options: McpCalling): Promise<McpAnswer>;
}

export interface McpCalling {
  timeoutMs: number;
  signal: AbortSignal;
}

export interface OfferedTool {
  name: string;
  description: string;
  /** What the server calls the JSON schema of the arguments. */
  inputSchema: unknown;
  /** What the server says: true when the tool changes things; null when it says nothing. */
  changes: boolean | null;
}

export interface McpAnswer {
  /** The tool itself says that it failed. */
  failed: boolean;
  /** Bounded; pictures, sounds and the like are only named. */
  text: string;
}
