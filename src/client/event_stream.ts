/** An event of a stream. */
export interface StreamEvent {
  event: string;
  data: string;
}

/**
 * Reads server-sent events; comments, by which the gateway shows that it is there, are no events.
 *
 * @param text as it arrives, in pieces
 */
export async function* readEvents(text: AsyncIterable<string>): AsyncGenerator<StreamEvent> {
  let rest = "";
  let event = "";
  let data: string[] = [];
  for await (const piece of text) {
    rest += piece;
    const lines = rest.split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop()!;
    for (const line of lines) {
      if (line === "") {
        if (event !== "" || data.length > 0) yield { event, data: data.join("\n") };
        event = "";
        data = [];
        continue;
      }
      const [, field, value = ""] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
      if (field === "event") event = value;
      else if (field === "data") data.push(value);
    }
  }
}
