// SPDX-License-Identifier: Apache-2.0

import Credentials
import Cryptography
import Model
import PostgresClient
import SyncStore
import Testing
import Vault

@Suite struct `A rotation of keys` {
    /// A vault whose current key is `id`, with keys for all ids.
    private func vault(_ ids: String..., keys: [String: String]) throws -> CredentialVault {
        CredentialVault(
            keys: try KeyRing(
                parsing: SecretString(ids.map { "\($0):\(keys[$0] ?? "")" }.joined(separator: ","))))
    }

    private func makeKeys(_ ids: String...) throws -> [String: String] {
        var keys: [String: String] = [:]
        for id in ids { keys[id] = Base64.standard.encode(try SecureRandom.bytes(32)) }
        return keys
    }

    /// Adds integrations whose credentials `vault` seals.
    private func fill(_ fixture: Fixture, _ count: Int, _ vault: CredentialVault) async throws -> [Int64] {
        var ids: [Int64] = []
        for number in 0..<count {
            let key = IntegrationKey(userID: "u_\(number)", service: "demo", account: "rotated")
            let (id, _) = try await fixture.integrations.add(key, configuration: Array("{}".utf8))
            try await CredentialWriter(vault: vault, store: fixture.store).write(
                ["api_key": SecretString("secret of \(id)")], to: id)
            ids.append(id)
        }
        return ids
    }

    private func open(_ id: Int64, _ fixture: Fixture, _ vault: CredentialVault) async throws -> String? {
        let credential = try #require(try await fixture.store.read(id)?.credential)
        return try vault.open(
            credential.ciphertext, for: id, kind: credential.kind, version: credential.version)["api_key"]?
            .exposed
    }

    @Test func `wraps everything with the current key, and changes no version`() async throws {
        let fixture = try await Fixture()
        let keys = try makeKeys("a", "b")
        let ids = try await fill(fixture, 450, try vault("a", keys: keys))
        var batches = 0

        let report = try await KeyRotation(
            vault: try vault("b", "a", keys: keys), store: fixture.store,
            subscriptions: SubscriptionStore(pool: fixture.pool)
        ).run {
            _ in
            batches += 1
        }

        #expect(report.rewrapped == 450 && report.failures.isEmpty)
        #expect(batches == 3)
        #expect(try await fixture.store.countByKey().map(\.keyID) == ["b"])
        #expect(try await fixture.count("credentials WHERE version = 1") == 450)
        let new = try vault("b", keys: keys)
        #expect(try await open(ids[449], fixture, new) == "secret of \(ids[449])")
        let again = try await KeyRotation(
            vault: new, store: fixture.store, subscriptions: SubscriptionStore(pool: fixture.pool)
        ).run()
        #expect(again.rewrapped == 0)
    }

    @Test func `wraps the secrets of subscriptions too, and names those that it cannot open`() async throws {
        let fixture = try await Fixture()
        let keys = try makeKeys("a", "b")
        let store = SubscriptionStore(pool: fixture.pool)
        var ids: [Int64] = []
        for _ in 0..<2 {
            let id = try await store.reserve()
            let sealed = try vault("a", keys: keys).seal(
                ["secret": SecretString("of \(id)")], for: id, kind: SubscriptionStore.secretKind,
                version: SubscriptionStore.secretVersion)
            try await store.add(
                id, url: "https://receiver.example", SubscriptionFilter(), keyID: "a",
                ciphertext: sealed.bytes,
                after: nil)
            ids.append(id)
        }
        _ = try await fixture.pool.query(
            "UPDATE lockstep.subscriptions SET ciphertext = decode('00', 'hex') WHERE id = $1", [.int(ids[1])]
        )
        #expect(try await fixture.store.countByKey().map(\.count) == [2])

        let report = try await KeyRotation(
            vault: try vault("b", "a", keys: keys), store: fixture.store, subscriptions: store
        ).run()

        #expect(report.rewrapped == 1)
        #expect(report.failures.map(\.subscriptionID) == [ids[1]])
        let rows = try await fixture.pool.query(
            "SELECT key_id, ciphertext FROM lockstep.subscriptions WHERE id = $1", [.int(ids[0])])
        #expect(rows.text(0, 0) == "b")
        let opened = try vault("b", keys: keys).open(
            rows.bytes(0, 1) ?? [], for: ids[0], kind: SubscriptionStore.secretKind,
            version: SubscriptionStore.secretVersion)
        #expect(opened["secret"]?.exposed == "of \(ids[0])")
    }

    @Test func `leaves what it cannot open, and goes on with the others`() async throws {
        let fixture = try await Fixture()
        let keys = try makeKeys("a", "b", "lost")
        let lost = try await fill(fixture, 1, try vault("lost", keys: keys))[0]
        let ids = try await fill(fixture, 4, try vault("a", keys: keys))
        // The bytes of one row in another one, and bytes that were cut.
        _ = try await fixture.pool.query(
            "UPDATE lockstep.credentials SET ciphertext = (SELECT ciphertext FROM lockstep.credentials WHERE integration_id = $1), key_id = 'a' WHERE integration_id = $2",
            [.int(ids[1]), .int(ids[2])])
        _ = try await fixture.pool.query(
            "UPDATE lockstep.credentials SET ciphertext = substr(ciphertext, 1, 70) WHERE integration_id = $1",
            [.int(ids[3])])
        let before = try await bytes(fixture)

        let report = try await KeyRotation(
            vault: try vault("b", "a", keys: keys), store: fixture.store,
            subscriptions: SubscriptionStore(pool: fixture.pool)
        ).run()

        // `fill` names users from u_0 anew: the first integration of the second call is the one that was lost.
        #expect(report.rewrapped == 2)
        #expect(report.failures.compactMap(\.integrationID).sorted() == [ids[2], ids[3]].sorted())
        #expect(lost == ids[0])
        let after = try await bytes(fixture)
        #expect(before[ids[2]] == after[ids[2]] && before[ids[3]] == after[ids[3]])
        #expect(before[ids[1]] != after[ids[1]])
    }

    @Test func `names the key that is missing`() async throws {
        let fixture = try await Fixture()
        let keys = try makeKeys("b", "lost")
        _ = try await fill(fixture, 1, try vault("lost", keys: keys))

        let report = try await KeyRotation(
            vault: try vault("b", keys: keys), store: fixture.store,
            subscriptions: SubscriptionStore(pool: fixture.pool)
        ).run()

        #expect(report.rewrapped == 0)
        #expect(report.failures.first?.reason.contains("'lost'") == true)
        #expect(try await fixture.store.countByKey().map(\.keyID) == ["lost"])
    }

    @Test func `does not undo a refresh that came in between`() async throws {
        let fixture = try await Fixture()
        let keys = try makeKeys("a", "b")
        let old = try vault("a", keys: keys)
        let id = try await fill(fixture, 1, old)[0]
        let read = try #require(try await fixture.store.sealed(notWith: "b", after: 0, limit: 1).first)
        try await CredentialWriter(vault: old, store: fixture.store).write(
            ["api_key": SecretString("newer")], to: id)

        let changed = try await fixture.store.replace(
            [SealedChange(read, fresh: read.ciphertext)], keyID: "b")

        #expect(changed.isEmpty)
        let report = try await KeyRotation(
            vault: try vault("b", "a", keys: keys), store: fixture.store,
            subscriptions: SubscriptionStore(pool: fixture.pool)
        ).run()
        #expect(report.rewrapped == 1)
        #expect(try await open(id, fixture, try vault("b", keys: keys)) == "newer")
    }

    private func bytes(_ fixture: Fixture) async throws -> [Int64: [UInt8]] {
        let rows = try await fixture.pool.query("SELECT integration_id, ciphertext FROM lockstep.credentials")
        var found: [Int64: [UInt8]] = [:]
        for row in 0..<rows.count { found[rows.int(row, 0) ?? 0] = rows.bytes(row, 1) }
        return found
    }
}
