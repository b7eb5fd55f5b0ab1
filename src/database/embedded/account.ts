/** An unprivileged account of this system. */
export interface Account {
  name: string;
  uid: number;
  gid: number;
}
