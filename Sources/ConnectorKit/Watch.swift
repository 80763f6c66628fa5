// SPDX-License-Identifier: Apache-2.0

public import Model

/// Something that a provider notifies of only while it is asked to, and only for a time.
public struct WatchDescriptor: Sendable, Hashable {
    /// The stream that the notifications are about; of a child stream each parent has a watch of its own.
    public let stream: String
    /// How long before its end a watch is made anew.
    public let renewBefore: Duration

    /// A watch of a stream.
    public init(stream: String, renewBefore: Duration) {
        self.stream = stream
        self.renewBefore = renewBefore
    }
}

/// What a provider is told to name and prove its notifications with.
public struct WatchRequest: Sendable {
    /// What the channel is called; unique, and not to be guessed.
    public let id: String
    /// What each notification of it has to bring along.
    public let token: SecretString
    /// Where notifications go.
    public let address: String

    /// A request for a watch.
    public init(id: String, token: SecretString, address: String) {
        self.id = id
        self.token = token
        self.address = address
    }
}

/// What a provider granted.
public struct WatchGrant: Sendable, Equatable {
    /// What the provider calls the watched thing; nil when it does not say.
    public let resource: String?
    /// When the watch ends.
    public let expiresAt: Timestamp

    /// A granted watch.
    public init(resource: String?, expiresAt: Timestamp) {
        self.resource = resource
        self.expiresAt = expiresAt
    }
}

/// A watch that a provider granted and that has not ended.
public struct HeldWatch: Sendable, Equatable {
    /// What the channel is called.
    public let id: String
    /// The stream that it notifies of.
    public let stream: String
    /// What the provider calls the watched thing; nil when it did not say.
    public let resource: String?

    /// A watch as it was stored.
    public init(id: String, stream: String, resource: String?) {
        self.id = id
        self.stream = stream
        self.resource = resource
    }
}

/// Asks a provider to notify.
public protocol Watcher: Sendable {
    /// Asks for one watch of a slice.
    func begin(_ slice: StreamSlice, _ request: WatchRequest) async throws(ConnectorError) -> WatchGrant

    /// Ends a watch before its time; false when no way to do so is known.
    func end(_ watch: HeldWatch) async throws(ConnectorError) -> Bool
}

extension Watcher {
    /// No way is known.
    public func end(_ watch: HeldWatch) async throws(ConnectorError) -> Bool { false }
}
