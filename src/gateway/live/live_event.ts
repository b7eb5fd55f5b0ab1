/** The subscriptions that there are. */
export type LiveTopic = "analysisRunChanged" | "promptChanged" | "martsUpdated";

/** What a subscriber is told, as the plans of the API read it. */
export interface LiveEvent {
  cursor: string;
  kind: "READY" | "INSERTED" | "UPDATED" | "DELETED";
  /** Of the row that changed. */
  id: string | null;
  /** The same while there may be a row. */
  rowId: string | null;
  source: string | null;
  marts: readonly string[] | null;
  from: string | null;
  to: string | null;
}
