// SPDX-License-Identifier: Apache-2.0

import Model
import SyncStore

/// The ids and keys of integrations that this worker has met. Neither changes while an integration exists; one that was
/// erased and added again has another id, and who finds out that an id is gone forgets it.
final class IntegrationDirectory: Sendable {
    struct Entry {
        let id: Int64
        let key: IntegrationKey
    }

    /// Above this many it starts anew: a bound for its memory.
    private static let limit = 100_000
    private let store: IntegrationStore
    private let known = LockedBox<[IntegrationReference: Entry]>([:])

    init(store: IntegrationStore) {
        self.store = store
    }

    /// Nil when there is no such integration.
    func find(_ reference: IntegrationReference) async throws(StoreError) -> Entry? {
        if let entry = known.withLock({ $0[reference] }) { return entry }
        guard let found = try await store.find(reference) else { return nil }
        let entry = Entry(id: found.id, key: found.key)
        known.withLock { known in
            if known.count >= Self.limit { known.removeAll() }
            known[reference] = entry
        }
        return entry
    }

    func forget(_ reference: IntegrationReference) {
        known.withLock { $0[reference] = nil }
    }
}
