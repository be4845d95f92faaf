/**
 * What the gateway and the page say to each other, as in `api.py` and `frames.py`.
 *
 * Times are milliseconds since 1970.
 *
 * @typedef {{id: number, name: string, display: string, imported: boolean}} Account
 *
 * @typedef {{seq: number, conversation: number, number: number, sender: number,
 *   sender_name: string, client_id: string, text: string, at: number}} Message
 *
 * @typedef {{id: number, kind: "room" | "direct", name: string, title: string, members: number,
 *   peer: Account | null, member: boolean, last: Message | null, delivered: number, read: number,
 *   others_delivered: number, others_read: number}} Conversation
 *
 * @typedef {{conversation: number, user: number, delivered: number, read: number}} Receipt
 * @typedef {{user: number, online: boolean, last_seen: number}} Presence
 * @typedef {{conversation: number, user: number, name: string, joined: boolean}} Membership
 * @typedef {{message: Message, title: string}} Found
 *
 * @typedef {{type: "welcome", account: Account, conversations: Conversation[], cursor: number,
 *   resumed: boolean, silence: number, text: number}} Welcome
 * @typedef {{type: "acknowledged", client_id: string, conversation: number, number: number,
 *   seq: number, at: number}} Acknowledged
 * @typedef {{type: "refused", code: string, message: string, client_id: string,
 *   retry_after: number}} Refused
 * @typedef {{type: "said", message: Message}} Said
 * @typedef {{type: "marked", seq: number, receipt: Receipt}} Marked
 * @typedef {{type: "here", seq: number, presences: Presence[]}} Here
 * @typedef {{type: "writing", seq: number,
 *   typing: {conversation: number, user: number, name: string}}} Writing
 * @typedef {{type: "joined", seq: number, membership: Membership,
 *   conversation: Conversation | null}} Joined
 * @typedef {{type: "left", seq: number, membership: Membership}} Left
 * @typedef {{type: "pong"}} Pong
 * @typedef {{type: "reconnect", after: number}} Reconnect
 * @typedef {Welcome | Acknowledged | Refused | Said | Marked | Here | Writing | Joined | Left | Pong
 *   | Reconnect} ServerFrame
 *
 * A message that is not stored yet: `state` is what the page knows of it.
 * @typedef {{client_id: string, conversation: number, text: string, at: number,
 *   state: "sending" | "failed", reason: string}} Unsent
 */
export {};
