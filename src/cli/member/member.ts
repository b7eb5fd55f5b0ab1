/** A membership as the database answers it. */
export interface Member {
  user_id: number;
  role: string;
  status: string;
}

/** What the commands that change a membership take. */
export interface MemberOptions {
  organization: string;
  role: string;
}

/** The roles, as help shows them. */
export const roles = "owner, admin, member or viewer";

/** What the commands that change a membership print with --json. */
export function describeMember(organization: string, email: string, member: Member | undefined) {
  return {
    organization,
    email,
    userId: member?.user_id,
    role: member?.role,
    status: member?.status,
  };
}
