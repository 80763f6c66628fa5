// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import Model
import PostgresClient
import SyncEngine
import Testing

@Suite struct `A slice that may not be read` {
    private static let streams = """
          lists:
            path: /lists
            records: /data
            id: /id
            page: { kind: none }
            absence: full_run
          items:
            parent: { stream: lists, values: { list: /id } }
            path: /lists/${parent.list}/items
            records: /data
            id: /id
            page: { kind: none }
            absence: full_run
        """

    /// Three lists with an item each.
    private func filled() async throws -> ScriptedProvider {
        let provider = try await ScriptedProvider(streams: Self.streams)
        provider.list("/lists", (0..<3).map { #"{"id":"l\#($0)"}"# })
        for list in 0..<3 { provider.list("/lists/l\(list)/items", [#"{"id":"a"}"#]) }
        #expect(try await provider.sync(.full) == .succeeded)
        return provider
    }

    private func health(_ provider: ScriptedProvider) async throws -> String? {
        try await provider.pool.query(
            "SELECT status FROM lockstep.integration_health WHERE scope = 'integration'"
        ).text(0, 0)
    }

    private static let refused =
        "sync_state WHERE stream = 'items' AND partition = 'l1' AND refused_at > last_success_at AND refused_code = 'http_403'"

    @Test(arguments: [SyncJob.Kind.full, .incremental])
    func `leaves the others alone, and the run says so`(kind: SyncJob.Kind)
        async throws
    {
        let provider = try await filled()
        provider.statuses.withLock { $0["/lists/l1/items"] = "403 Forbidden" }
        for list in [0, 2] { provider.list("/lists/l\(list)/items", [#"{"id":"b"}"#]) }

        for _ in 0..<3 { #expect(try await provider.sync(kind) == .succeeded) }

        #expect(try await provider.live("items") == ["l0/b", "l1/a", "l2/b"])
        #expect(
            try await provider.count(
                """
                sync_log WHERE status = 'succeeded' AND error_code = 'slices_refused' AND error_message IS NOT NULL
                    AND error_detail LIKE '%stream items: 1 of 3 slices%l1%http_403%'
                """) == 3)
        #expect(try await provider.count("deletions WHERE external_id LIKE 'l1/%'") == 0)
        #expect(try await provider.count(Self.refused) == 1)
        #expect(try await health(provider) == "degraded")

        provider.statuses.withLock { $0 = [:] }
        provider.list("/lists/l1/items", [#"{"id":"b"}"#])
        #expect(try await provider.sync(.full) == .succeeded)
        #expect(try await provider.live("items") == ["l0/b", "l1/b", "l2/b"])
        #expect(try await provider.count(Self.refused) == 0)
        #expect(try await health(provider) == "healthy")
    }

    @Test func `is no failure of the run when the slices after a whole batch of such may be read`()
        async throws
    {
        let provider = try await ScriptedProvider(streams: Self.streams)
        let names = (100..<310).map { "l\($0)" }
        provider.list("/lists", names.map { #"{"id":"\#($0)"}"# })
        for (index, name) in names.enumerated() {
            provider.list("/lists/\(name)/items", [#"{"id":"a"}"#])
            if index < 200 { provider.statuses.withLock { $0["/lists/\(name)/items"] = "403 Forbidden" } }
        }

        #expect(try await provider.sync(.full) == .succeeded)

        #expect(try await provider.live("items").count == 10)
        #expect(
            try await provider.count("sync_log WHERE error_detail LIKE '%stream items: 200 of 210 slices%'")
                == 1)
    }

    @Test func `is a failure of a run that was asked for this very slice`() async throws {
        let provider = try await filled()
        provider.statuses.withLock { $0["/lists/l1/items"] = "403 Forbidden" }

        let verdict = try await provider.sync(.changes(ChangeSet([.stream("items", partition: "l1")])))

        guard case .failed(let failure) = verdict else {
            Issue.record("the run did not fail: \(verdict)")
            return
        }
        #expect(failure.errorClass == .permission)
        #expect(try await provider.count("sync_state WHERE refused_at IS NOT NULL") == 0)
    }

    @Test func `costs as many requests as it was asked for with`() async throws {
        struct SentThrice: ProviderClient {
            let client: any ProviderClient

            func send(_ request: ProviderRequest) async throws(ConnectorError) -> ProviderResponse {
                do throws(ConnectorError) {
                    return try await client.send(request)
                } catch {
                    var failure = error
                    failure.requests = 3
                    throw failure
                }
            }
        }
        let provider = try await filled()
        provider.statuses.withLock { $0["/lists/l1/items"] = "403 Forbidden" }

        #expect(try await provider.sync(.full, through: { SentThrice(client: $0) }) == .succeeded)

        let calls = try await provider.pool.query(
            "SELECT api_calls::bigint FROM lockstep.sync_log ORDER BY id DESC LIMIT 1")
        #expect(calls.int(0, 0) == 6)
    }

    @Test func `is a failure of the run when no other one may be read either`() async throws {
        let provider = try await filled()
        provider.statuses.withLock { statuses in
            for list in 0..<3 { statuses["/lists/l\(list)/items"] = "403 Forbidden" }
        }

        guard case .failed(let failure) = try await provider.sync(.full) else {
            Issue.record("the run did not fail")
            return
        }

        #expect(failure.errorClass == .permission)
        #expect(try await provider.live("items").count == 3)
        #expect(try await provider.count("sync_state WHERE refused_at IS NOT NULL") == 3)
    }
}
