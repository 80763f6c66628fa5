// SPDX-License-Identifier: Apache-2.0

public import Model

/// One service that Lockstep can sync.
public protocol Connector: Sendable {
    /// The service's name, as in job payloads and the `service` columns.
    var service: String { get }
    /// The name that people know the service by.
    var title: String { get }
    /// The streams, each parent before its children.
    var streams: [StreamDescriptor] { get }
    /// The limits that its requests take from; none for a provider that states none.
    var limits: [LimitRule] { get }
    /// The endpoints that its requests go to, as limits by endpoint and logs name them.
    var endpoints: [String] { get }
    /// How the service gives tokens, with its endpoints below `baseURL` when that is not nil; nil for a service whose
    /// credentials nothing renews.
    func tokens(at baseURL: String?) -> OAuthProfile?
    /// How the provider's notifications are told from others; nil for a service without any.
    var webhook: WebhookProfile? { get }
    /// What a notification asks to read; nothing for one that concerns no stream.
    func changes(in event: WebhookEvent) -> [WebhookChange]
    /// What the provider has to be asked to notify of.
    var watches: [WatchDescriptor] { get }
    /// What asks for the watches of a stream. Nil when there are none, or when the integration's configuration lacks what they
    /// need: then nobody wants them.
    func watcher(of stream: String, access: ProviderAccess) throws(ConnectorError) -> (any Watcher)?
    /// What a person has to give when tokens are not got by consent, in the order of a form.
    var accountFields: [AccountField] { get }
    /// The strategy of one of `streams` for one integration.
    ///
    /// Throws class `config` when the integration's configuration or credential lacks what the stream needs.
    func strategy(for stream: String, access: ProviderAccess) throws(ConnectorError) -> any SyncStrategy
    /// What can be done at the service.
    var actions: [ActionDescriptor] { get }
    /// All that is wrong with the input of one of `actions`; empty for one that can be sent.
    func check(_ input: JSONTree, of action: String) -> [ActionProblem]
    /// What does an action for one integration. The input was checked.
    ///
    /// Throws class `config` for an unknown action, and when the integration's configuration lacks what it needs.
    func performer(of call: ActionCall, access: ProviderAccess) throws(ConnectorError) -> any ActionPerformer
}

extension Connector {
    /// Credentials that nothing renews.
    public func tokens(at baseURL: String?) -> OAuthProfile? { nil }

    /// No notifications.
    public var webhook: WebhookProfile? { nil }

    /// Nothing has to be asked for.
    public var watches: [WatchDescriptor] { [] }

    /// Nothing asks for watches.
    public func watcher(of stream: String, access: ProviderAccess) throws(ConnectorError) -> (any Watcher)? {
        nil
    }

    /// No notification means anything.
    public func changes(in event: WebhookEvent) -> [WebhookChange] { [] }

    /// Nothing that a person could give.
    public var accountFields: [AccountField] { [] }
}

/// A value that an account is connected with.
public struct AccountField: Sendable, Hashable {
    /// Its name among the secrets, or in the integration's configuration.
    public let name: String
    /// Whether it is a secret.
    public let isSecret: Bool

    /// A value by its name.
    public init(name: String, isSecret: Bool) {
        self.name = name
        self.isSecret = isSecret
    }
}

/// What a strategy needs to talk to the provider on behalf of one integration.
public struct ProviderAccess: Sendable {
    /// The client that all requests go through.
    public let client: any ProviderClient
    /// The secret fields of the integration's credential, such as `api_key`. Use them by `withSecrets`.
    public let credential: any SecretSource
    /// The scalar members of the integration's `config`, numbers and booleans as their JSON text.
    public let configuration: [String: String]
    /// Where to send requests instead of the connector's own base URL; the operator sets it for a sandbox or a proxy.
    public let baseURL: String?
    /// What the client holds of the worker's memory for a page, until the engine has written it; nil without a bound.
    public var room: PageRoom?

    /// Access with a client, a source of secrets and the integration's own configuration.
    public init(
        client: any ProviderClient, credential: any SecretSource, configuration: [String: String],
        baseURL: String?
    ) {
        self.client = client
        self.credential = credential
        self.configuration = configuration
        self.baseURL = baseURL
    }

    /// Access with secrets that stay as they are.
    public init(
        client: any ProviderClient, secrets: [String: SecretString], configuration: [String: String],
        baseURL: String?
    ) {
        self.init(
            client: client, credential: FixedSecrets(secrets), configuration: configuration, baseURL: baseURL)
    }
}

/// How a stream is read. A strategy only fetches: it never sees Postgres, and never decides that a cursor
/// moves or a record is gone.
public protocol SyncStrategy: Sendable {
    /// Enumerates every object of the slice, from the start or from a position that an earlier reader gave.
    func fullSync(of slice: StreamSlice, resumingAt position: PagePosition?) -> any PageReader

    /// Enumerates what changed since `cursor`; ties of the cursor are read again.
    ///
    /// The engine calls it only for streams whose `cursorOrder` is not `none`.
    func incrementalSync(
        of slice: StreamSlice, since cursor: Cursor, resumingAt position: PagePosition?
    ) -> any PageReader

    /// Reads the objects that changed between `since` and `until`, as far as the provider's list can say;
    /// nil when it cannot, so that a backfill reads the whole stream.
    func backfill(
        of slice: StreamSlice, since: Timestamp, until: Timestamp?, resumingAt position: PagePosition?
    ) -> (any PageReader)?

    /// Fetches single objects that a notification named, as they are now; what the provider proves to be gone is a
    /// tombstone. Nil when the stream's objects cannot be asked for one by one.
    func realTimeSync(of slice: StreamSlice, objects: [String]) -> (any PageReader)?
}

extension SyncStrategy {
    /// No object can be asked for alone.
    public func realTimeSync(of slice: StreamSlice, objects: [String]) -> (any PageReader)? { nil }
}

/// Reads the pages of one enumeration, in order, one at a time.
public protocol PageReader: Sendable {
    /// Fetches the next page. After an error a further call fetches the same page again; after a page whose
    /// continuation is `.end` no further call is made.
    func nextPage() async throws(ConnectorError) -> Page
}
