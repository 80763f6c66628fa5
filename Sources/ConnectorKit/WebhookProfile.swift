// SPDX-License-Identifier: Apache-2.0

public import Model
public import PageScanner

/// What a connector says of its provider's notifications.
public struct WebhookProfile: Sendable {
    /// Where a value of a notification is.
    public enum Value: Sendable, Hashable {
        case header(String)
        /// In the body; for a scheme that wraps the content, in the content.
        case body(JSONPointer)
    }

    /// How the provider proves itself.
    public var scheme: WebhookScheme
    /// The name of the secret that it is checked with.
    public var secret: String
    /// Where the events of one request are, an array; all other places are then in each of them. Nil for one event.
    public var each: JSONPointer?
    /// The values that together no other event has; empty for what the scheme names, or else the hash of the body.
    public var eventID: [Value]
    /// What kind of event it is; nil where there is one kind.
    public var eventType: Value?
    /// The account as the provider names it; nil where the address of the integration is the only way to tell.
    public var account: Value?

    /// What a manifest says.
    public init(
        scheme: WebhookScheme, secret: String, eventID: [Value] = [], eventType: Value? = nil,
        account: Value? = nil, each: JSONPointer? = nil
    ) {
        self.each = each
        self.scheme = scheme
        self.secret = secret
        self.eventID = eventID
        self.eventType = eventType
        self.account = account
    }
}

/// An accepted notification, as it is interpreted.
public struct WebhookEvent: Sendable {
    /// What kind of event it is; empty where there is one kind.
    public let type: String
    /// The body as it came.
    public let body: [UInt8]

    /// A notification of this kind.
    public init(type: String, body: [UInt8]) {
        self.type = type
        self.body = body
    }
}

/// What a notification asks to read. It is never taken for the data itself: the provider may send it late, twice or in
/// another order.
public enum WebhookChange: Sendable {
    /// One object, to be fetched anew. `partition` is the parent's external id; empty for a stream without a parent.
    case object(stream: String, partition: String, id: String)
    /// What changed in a stream. `partition` is one parent's external id; nil for the whole stream.
    case stream(String, partition: String?)
}

extension WebhookChange: Hashable {
    /// Ids are told apart by their bytes: of two that only look alike each is asked for.
    private var identity: [ExactText?] {
        switch self {
        case .object(let stream, let partition, let id):
            [ExactText(stream), ExactText(partition), ExactText(id)]
        case .stream(let stream, let partition): [ExactText(stream), partition.map(ExactText.init)]
        }
    }

    /// Whether both ask for the same.
    public static func == (left: WebhookChange, right: WebhookChange) -> Bool {
        left.identity == right.identity
    }

    /// Feeds the names.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(identity)
    }
}
