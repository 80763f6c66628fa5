// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import Cryptography
public import Logging
import Model
import PageScanner
public import SyncStore
import Webhooks

/// Keeps the watches of an integration: after each sync it asks for those that are missing or end soon. One that could not be
/// had is asked for again later; meanwhile syncs find what changed.
public struct WatchKeeper: Sendable {
    /// Watches that one sync asks for at most, so that a calendar list of thousands does not hold the job up.
    private static let batch = 50
    private static let pause: Duration = .seconds(600)

    private let store: WatchStore
    /// What providers reach the gateway by, without a slash at the end.
    private let publicURL: String
    private let logger: Logger

    /// A keeper whose watches notify the gateway at that address.
    public init(store: WatchStore, publicURL: String, logger: Logger) {
        self.store = store
        self.publicURL = publicURL
        self.logger = logger
    }

    /// Asks for what is missing. A failure is logged and kept; it is no failure of the sync before it.
    func keep(_ run: OpenRun, _ connector: any Connector, _ access: ProviderAccess) async {
        do {
            for watch in connector.watches where !Task.isCancelled {
                guard let watcher = try connector.watcher(of: watch.stream, access: access),
                    let stream = connector.streams.first(where: { $0.name == watch.stream })
                else { continue }
                let missing = try await store.slices(
                    of: run.integrationID, stream: watch.stream, parentStream: stream.parent?.stream,
                    limit: Self.batch)
                for (partition, parent) in missing where !Task.isCancelled {
                    guard let slice = Self.slice(partition, stream.parent, parent) else { continue }
                    guard try await begin(watch, slice, watcher, run) else { break }
                }
            }
        } catch {
            logger.warning(
                "watches were not renewed", metadata: ["integration": "\(run.key)", "error": "\(error)"])
        }
    }

    /// False when the provider refuses in a way that the next slice would meet as well.
    private func begin(
        _ watch: WatchDescriptor, _ slice: StreamSlice, _ watcher: any Watcher, _ run: OpenRun
    ) async throws -> Bool {
        let request = WatchRequest(
            id: Hex.encode(try SecureRandom.bytes(16)),
            token: SecretString(Hex.encode(try SecureRandom.bytes(32))),
            address: "\(publicURL)/webhooks/\(run.key.service)")
        let row = try await store.begin(
            WebhookSlice(stream: watch.stream, partition: slice.partition), of: run.integrationID,
            channelID: request.id, tokenHash: ChannelNotice.hash(ofToken: request.token.exposed))
        do throws(ConnectorError) {
            let grant = try await watcher.begin(slice, request)
            try await granted(row, grant, watch)
            return true
        } catch {
            let wait = max(Self.pause, error.retryAfter ?? .zero)
            try await store.failed(row, error: error.description, tryAgainAfter: wait)
            logger.notice(
                "a watch was refused",
                metadata: [
                    "integration": "\(run.key)", "stream": "\(watch.stream)", "error": "\(error)",
                ])
            return error.errorClass == .permission || error.errorClass == .rejected
        }
    }

    private func granted(
        _ row: Int64, _ grant: WatchGrant, _ watch: WatchDescriptor
    ) async throws(ConnectorError) {
        do throws(StoreError) {
            try await store.granted(
                row, resource: grant.resource, expiresAt: grant.expiresAt, renewBefore: watch.renewBefore)
        } catch {
            throw ConnectorError(
                .transient, code: "store_unavailable", userMessage: "The sync is tried again.",
                operatorDetail: error.message)
        }
    }

    /// Nil when the parent's record lacks a value that the watch needs.
    private static func slice(
        _ partition: String, _ binding: ParentBinding?, _ parent: [UInt8]
    ) -> StreamSlice? {
        var values: [String: String] = [:]
        for (name, pointer) in binding?.values ?? [:] {
            guard let value = JSONValueReader.scalarText(at: pointer, in: parent) else { return nil }
            values[name] = value
        }
        return StreamSlice(partition: partition, values: values)
    }
}
