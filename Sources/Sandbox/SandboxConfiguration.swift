// SPDX-License-Identifier: Apache-2.0

/// What a sandbox holds and where it listens.
public struct SandboxConfiguration: Sendable {
    public var host = "127.0.0.1"
    /// 0 for any free port.
    public var port = 0
    /// Two sandboxes with one seed hold the same objects, and the same edits change them in the same way.
    public var seed: UInt64 = 1
    /// Users `u_1` … `u_N`. Their keys are `sk_test_u_1` at Stripe and `ya29.u_1` at Google Calendar.
    public var users = 20
    /// Objects of each stream of each user at the start; calendars have two, whatever this says.
    public var objects = 200
    /// Random edits per second while it runs, over all users; 0 for none.
    public var editsPerSecond = 0

    public init() {}
}
