// SPDX-License-Identifier: Apache-2.0

public import Model

/// What a job asks for: the meaning of a valid payload.
public struct JobPayload: Sendable, Equatable {
    /// The largest payload in bytes. A job is a request, not a container: pages of 64 KiB are already absurd.
    public static let maxBytes = 65_536
    /// The payload version that this code reads.
    public static let version: Int64 = 1
    /// The largest integration id: every JSON reader on the way, Lua's among them, keeps integers up to here
    /// exact.
    public static let maxIntegrationID: Int64 = 9_007_199_254_740_991
    /// The longest name of a user, service or account in bytes.
    public static let maxNameBytes = 256
    /// How many streams one job may name.
    public static let maxStreams = 100

    /// The integration to work on, by id or by name.
    public var integration: IntegrationReference
    /// What is to be done.
    public var type: JobType
    /// The streams to sync; nil for all.
    public var streams: [String]?
    /// The start of the range of a backfill; nil for other types.
    public var since: Timestamp?
    /// The end of the range of a backfill; nil for no end.
    public var until: Timestamp?
    /// The id that the payload brings along; a job without one gets a UUIDv7.
    public var id: String?
    /// The job does not start before this time; nil for at once.
    public var notBefore: Timestamp?
    /// The row of the webhook event or of the action.
    public var ref: Int64?

    /// A payload of already checked values; `parse` checks those of other people.
    public init(
        integration: IntegrationReference, type: JobType, streams: [String]? = nil, since: Timestamp? = nil,
        until: Timestamp? = nil, id: String? = nil, notBefore: Timestamp? = nil, ref: Int64? = nil
    ) {
        self.integration = integration
        self.type = type
        self.streams = streams
        self.since = since
        self.until = until
        self.id = id
        self.notBefore = notBefore
        self.ref = ref
    }

    /// What the ids of webhook jobs begin with; the event's row follows.
    public static let webhookIDPrefix = "webhook:"

    /// The job that works on an accepted webhook event. Asking for it twice makes one job.
    public static func webhook(event: Int64, integrationID: Int64) -> JobPayload {
        JobPayload(
            integration: .id(integrationID), type: .webhook, id: "\(webhookIDPrefix)\(event)", ref: event)
    }

    /// The payload as JSON, with only the fields that have a value.
    public func encoded() -> [UInt8] {
        var members: [(String, [UInt8])] = []
        switch integration {
        case .id(let number): members.append(("integration_id", Array(String(number).utf8)))
        case .key(let key):
            members.append(("user_id", JSONText.string(key.userID)))
            members.append(("service", JSONText.string(key.service)))
            if key.account != IntegrationKey.defaultAccount {
                members.append(("account", JSONText.string(key.account)))
            }
        }
        members.append(("type", JSONText.string(type.rawValue)))
        if let streams {
            let names = streams.map { JSONText.string($0) }.joined(separator: [UInt8(ascii: ",")])
            members.append(("streams", [UInt8(ascii: "[")] + names + [UInt8(ascii: "]")]))
        }
        if let since { members.append(("since", JSONText.string(since.rfc3339))) }
        if let until { members.append(("until", JSONText.string(until.rfc3339))) }
        if let id { members.append(("id", JSONText.string(id))) }
        if let notBefore { members.append(("not_before", JSONText.string(notBefore.rfc3339))) }
        if let ref { members.append(("ref", Array(String(ref).utf8))) }
        let body = members.map { JSONText.string($0.0) + [UInt8(ascii: ":")] + $0.1 }
        return [UInt8(ascii: "{")] + body.joined(separator: [UInt8(ascii: ",")]) + [UInt8(ascii: "}")]
    }

    /// The name under which the queue keeps at most one job of this integration running.
    var lockKey: String {
        switch integration {
        case .id(let number): "#\(number)"
        case .key(let key): "\(key.userID)\u{1F}\(key.service)\u{1F}\(key.account)"
        }
    }
}
