/** What one operation may ask for, at most. */
export interface OperationLimits {
  /** Its cost, see `measureCost`. */
  cost: number;
  /** Values in its arguments and variables, where they are stored; elsewhere a fifth as many objects. */
  inputValues: number;
  /** Bytes of its answer, as JSON. */
  answerBytes: number;
}

/** Generous: a page of 100 with a page of 100 below each passes, and is answered within about a second. */
export const defaultOperationLimits: OperationLimits = {
  cost: 100_000,
  inputValues: 5_000,
  answerBytes: 16 * 1024 * 1024,
};
