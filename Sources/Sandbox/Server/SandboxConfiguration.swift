// SPDX-License-Identifier: Apache-2.0

/// What a sandbox holds and where it listens.
public struct SandboxConfiguration: Sendable {
    /// The address to listen on.
    public var host = "127.0.0.1"
    /// 0 for any free port.
    public var port = 0
    /// Two sandboxes with one seed hold the same objects, and the same edits change them in the same way.
    public var seed: UInt64 = 1
    /// Users `u_1` … `u_N`. Their keys are `sk_test_u_1` at Stripe, `ya29.u_1` at Google and `xoxb-u_1` at
    /// Slack.
    public var users = 20
    /// When not empty, the users by name instead; their keys end in `NAME`.
    public var names: [String] = []
    /// Objects of each stream of each user at the start; events of each calendar, messages of each channel.
    public var objects = 200
    /// Other numbers than `objects`, by the name of the stream. A user has two calendars, three
    /// channels and three labels of their own unless this says otherwise.
    public var objectsByStream: [String: Int] = [:]
    /// Random edits per second while it runs, over all users; 0 for none.
    public var editsPerSecond = 0
    /// Changes that share one second of the data's time; 1 or more.
    public var changesPerSecond = 1
    /// Objects of the start that share one second; 1 or more.
    public var objectsPerSecond = 3
    /// Whether calendars have series, meetings that differ from theirs, and cancelled ones.
    public var hasSeries = true
    /// How many changes, anywhere in the sandbox, a sync token survives; nil: it expires only on demand.
    ///
    /// Changes are the sandbox's time, so a run with tokens that expire can be repeated.
    public var syncTokenLifetime: Int?
    /// How many changes a page token survives; nil: it expires only on demand.
    public var pageTokenLifetime: Int?
    /// How many changes back Gmail's history reaches; nil: it is forgotten only on demand.
    public var historyHorizon: Int?
    /// How many changes, each a second, back Stripe's events reach.
    public var eventHorizon = 2_592_000
    /// Whether the documented limits of the services are kept from the start.
    public var keepsLimits = false
    /// Requests that the ledger remembers; older ones are counted and forgotten.
    public var ledgerCapacity = 200_000

    /// The defaults: this machine only, a free port.
    public init() {}

    /// A user by number, from 1; nil when there is none of that name.
    func user(named name: some StringProtocol) -> Int? {
        if !names.isEmpty { return names.firstIndex { $0 == name }.map { $0 + 1 } }
        guard name.hasPrefix("u_"), let number = Int(name.dropFirst(2)), (1...max(1, users)).contains(number),
            name == "u_\(number)"
        else { return nil }
        return number
    }

    func name(ofUser user: Int) -> String { names.isEmpty ? "u_\(user)" : names[user - 1] }

    var clock: SandboxClock {
        SandboxClock(
            changesPerSecond: max(1, changesPerSecond), objectsPerSecond: max(1, objectsPerSecond))
    }

    var userCount: Int { names.isEmpty ? max(1, users) : names.count }

    /// Objects of a collection before the first edit. A calendar that an edit adds is empty.
    func initialCount(of key: CollectionKey) -> Int {
        if let parent = key.stream.parent,
            key.parent >= initialCount(of: CollectionKey(user: key.user, stream: parent))
        {
            return 0
        }
        let usual =
            switch key.stream {
            case .calendars: 2
            case .channels: 3
            case .labels: ObjectName.systemLabels.count + 3
            default: objects
            }
        return max(0, objectsByStream[key.stream.name] ?? usual)
    }
}
