// SPDX-License-Identifier: Apache-2.0

public import ConnectorKit
import Cryptography
public import HTTPTransport
public import JobQueue
public import Logging
public import Model
import PageScanner
public import ServiceLifecycle
public import SyncStore
public import Vault
import Webhooks

/// Takes notifications in: proves whose they are, keeps them, and only then says so; their jobs follow.
public struct WebhookIntake: Service, Sendable {
    /// What an operator decided.
    public struct Configuration: Sendable {
        /// The address that providers know, without a slash at the end; nil when there is none.
        public var publicURL: String?
        /// Services that are not at their own address, with the one they are at.
        public var serviceURLs: [String: String]
        /// The secrets that a service's notifications are signed with, several while one is rolled.
        public var secrets: @Sendable (String) -> [SecretString]

        /// A configuration of these.
        public init(
            publicURL: String?, serviceURLs: [String: String] = [:],
            secrets: @escaping @Sendable (String) -> [SecretString]
        ) {
            self.publicURL = publicURL
            self.serviceURLs = serviceURLs
            self.secrets = secrets
        }
    }

    /// A body with more bytes is refused.
    public static let maxBodyBytes = 1 << 20

    let store: WebhookStore
    private let connector: @Sendable (String) -> (any Connector)?
    let configuration: Configuration
    let secrets: SigningSecrets
    let keys: GoogleKeys
    let writer: EventWriter
    private let announcer: JobAnnouncer
    private let logger: Logger
    let now: @Sendable () -> Timestamp

    /// Takes in what `connector` knows. `now` is the wall clock: what providers sign is a time of day.
    public init(
        store: WebhookStore, queue: JobQueue, vault: CredentialVault, http: HTTPClient,
        connector: @escaping @Sendable (String) -> (any Connector)?, configuration: Configuration,
        logger: Logger, now: @escaping @Sendable () -> Timestamp = Timestamp.now
    ) {
        self.store = store
        self.connector = connector
        self.configuration = configuration
        self.logger = logger
        self.now = now
        secrets = SigningSecrets(store: store, vault: vault, ofService: configuration.secrets)
        keys = GoogleKeys(http: http)
        let announcer = JobAnnouncer(queue: queue, logger: logger)
        self.announcer = announcer
        writer = EventWriter(
            accept: { events throws(StoreError) in try await store.accept(events) },
            accepted: { announcer.announce($0) })
    }

    /// Writes what is taken in, until graceful shutdown: whoever answers requests has to end before.
    public func run() async throws {
        await cancelWhenGracefulShutdown {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await writer.run() }
                group.addTask { await announcer.run() }
            }
        }
    }

    /// Takes one request in. When it returns, the event is durable, or was before.
    ///
    /// Throws what to answer instead. An address that does not exist, one of another user and a wrong signature are not told
    /// apart.
    public func receive(_ delivery: WebhookDelivery) async throws(WebhookProblem) -> WebhookAnswer {
        guard delivery.method == "POST" else {
            throw WebhookProblem(405, "method_not_allowed", "Webhooks are sent by POST.")
        }
        guard delivery.body.count <= Self.maxBodyBytes else {
            throw WebhookProblem(413, "body_too_large", "A body has at most \(Self.maxBodyBytes) bytes.")
        }
        guard let connector = connector(delivery.service), let profile = connector.webhook else {
            throw WebhookProblem(404, "not_found", "There is nothing at this address.")
        }
        do {
            return try await accept(delivery, connector, profile)
        } catch let problem as WebhookProblem {
            if !problem.reason.isEmpty {
                logger.info(
                    "a webhook was refused",
                    metadata: ["service": "\(delivery.service)", "reason": "\(problem.reason)"])
            }
            throw problem
        } catch {
            logger.warning(
                "a webhook was not kept", metadata: ["service": "\(delivery.service)", "error": "\(error)"])
            throw .unavailable("\(error)")
        }
    }
}
