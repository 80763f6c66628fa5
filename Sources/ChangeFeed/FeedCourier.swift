// SPDX-License-Identifier: Apache-2.0

import Cryptography
public import HTTPTransport
public import Logging
public import Model
public import ServiceLifecycle
public import SyncStore
public import Vault
public import Webhooks

/// Tells receivers what changed, in order, each change at least once.
///
/// Any number may run: a subscription is one courier's for a pass, by a lease in its row, and what a pass found out is saved in
/// one transaction. A courier that dies loses acknowledgements at most; the next one sends the same events with the same ids.
public struct FeedCourier: Service {
    let store: ChangeFeedStore
    let vault: CredentialVault
    let http: HTTPClient
    let policy: RetryPolicy
    let logger: Logger
    private let name: String

    /// Subscriptions that one courier serves at a time: a receiver that does not answer holds up one of these places, for a pass.
    static let places = 8
    /// Events of a page.
    static let pageSize = 32
    /// Requests of one subscription under way at a time. The events of a page are of different records.
    static let requests = 8
    /// How long a subscription stays with a courier that says nothing.
    static let lease: Duration = .seconds(60)
    /// No request starts later in a pass, so that each of them ends within the lease.
    static let passLimit: Duration = lease - WebhookSigner.timeout - .seconds(5)
    /// Between two looks when there is nothing to do, and after a trouble of the ledger.
    static let interval: Duration = .seconds(1)
    static let troubleWait: Duration = .seconds(5)
    /// Before a secret is tried again that cannot be opened.
    static let secretWait: Duration = .seconds(60)

    /// A courier. `name` tells its process in the rows that it has.
    public init(
        store: ChangeFeedStore, vault: CredentialVault, http: HTTPClient, name: String, logger: Logger,
        policy: RetryPolicy = DeliveryOutcome.policy
    ) {
        self.store = store
        self.vault = vault
        self.http = http
        self.name = name
        self.logger = logger
        self.policy = policy
    }

    /// Delivers until graceful shutdown.
    public func run() async throws {
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                let free = LockedBox(Self.places)
                while !Task.isCancelled {
                    var wait = Self.interval
                    do {
                        if free.withLock({ $0 > 0 }), let turn = try await claim() {
                            free.withLock { $0 -= 1 }
                            group.addTask {
                                await serve(turn)
                                free.withLock { $0 += 1 }
                            }
                            continue
                        }
                    } catch {
                        if !Task.isCancelled { note(error) }
                        wait = Self.troubleWait
                    }
                    do { try await ContinuousClock().sleep(for: wait) } catch { return }
                }
            }
        }
    }

    /// A subscription, and when it was asked for: the lease is no shorter than counted from there.
    struct Turn: Sendable {
        let subscription: ClaimedSubscription
        /// Of this turn alone, so that an earlier one of the same courier cannot save any more.
        let owner: String
        let begun: ContinuousClock.Instant

        /// The time, by the clock of Postgres.
        var now: Timestamp { subscription.now.advanced(by: ContinuousClock.now - begun) }
        var isOver: Bool { ContinuousClock.now - begun > FeedCourier.passLimit }
    }

    func claim() async throws(StoreError) -> Turn? {
        let begun = ContinuousClock.now
        let owner = "\(name):\(UInt64.random(in: 0...UInt64.max))"
        return try await store.claim(owner: owner, lease: Self.lease).map {
            Turn(subscription: $0, owner: owner, begun: begun)
        }
    }

    /// Makes passes while there is something to do.
    private func serve(_ first: Turn) async {
        var turn: Turn? = first
        do {
            while let current = turn, !Task.isCancelled {
                try await pass(current)
                turn = try await claim()
            }
        } catch {
            if !Task.isCancelled { note(error) }
        }
    }

    private func note(_ error: any Error) {
        logger.warning("changes were not told", metadata: ["error": "\(error)"])
    }
}
