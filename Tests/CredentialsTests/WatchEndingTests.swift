// SPDX-License-Identifier: Apache-2.0

import BuiltinConnectors
import ConnectorKit
import Credentials
import DeclarativeConnectors
import HTTPTransport
import Model
import PostgresClient
import SyncStore
import TestSupport
import Testing

@Suite struct `Ending the watches of an account` {
    /// Four watches, of which each answer of the provider ends one; the last answer is given again.
    private static func run(
        _ answers: [ScriptedServer.Step], longest: Duration = .seconds(30), sql: String? = nil
    ) async throws -> (outcome: WatchEnding.Outcome, requests: Int, took: Duration) {
        let fixture = try await Fixture()
        try await fixture.connect(expiresIn: nil)
        let rest = LockedBox(answers)
        let server = try ScriptedServer { _ in
            rest.withLock { $0.count > 1 ? [$0.removeFirst()] : $0 }
        }
        _ = try await fixture.pool.query(
            """
            INSERT INTO lockstep.webhook_channels
                (integration_id, stream, channel_id, token_hash, resource_id, status, renew_at, expires_at)
            SELECT $1, 'calendars', 'c' || n, '', 'r', 'active', now(), timestamptz '2100-01-01 00:00:00Z' + n * interval '1 day'
            FROM generate_series(1, 4) n
            """, [.int(fixture.id)])
        if let sql { _ = try await fixture.pool.query(sql) }
        var client = HTTPClientConfiguration()
        client.addressPolicy = .allowing(hosts: [server.origin])
        let registry = try ConnectorRegistry.load(builtin: BuiltinManifests.all, directories: [])
        let ending = WatchEnding(
            vault: fixture.vault, credentials: fixture.store, integrations: fixture.integrations,
            watches: WatchStore(pool: fixture.pool),
            http: HTTPClient(configuration: client, logger: fixture.logger), longest: longest)
        let connector = try #require(registry.connector(for: "google-calendar"))
        let start = ContinuousClock.now
        let outcome = await ending.run(fixture.id, connector: connector, baseURL: server.url(""))
        let took = start.duration(to: .now)
        await fixture.pool.close()
        return (outcome, server.log.requests.count, took)
    }

    private let last = Timestamp(rfc3339: "2100-01-05T00:00:00Z")
    private static let done = ScriptedServer.Step.reply("204 No Content", body: [])
    private static let down = ScriptedServer.Step.reply("500 Internal Server Error")

    // A refused token is tried once more.
    @Test(arguments: [("429 Too Many Requests", 2), ("401 Unauthorized", 3)])
    func `stops when the provider refuses the account or limits requests`(status: String, expected: Int)
        async throws
    {
        let (outcome, requests, _) = try await Self.run([Self.done, .reply(status)])
        #expect(outcome.ended == 1 && outcome.left == 3 && outcome.leftUntil == last)
        #expect(outcome.reason != nil)
        #expect(requests == expected)
    }

    @Test func `stops when the provider does not answer twice in a row`() async throws {
        let (outcome, requests, _) = try await Self.run([Self.down])
        #expect(outcome.ended == 0 && outcome.left == 4)
        #expect(requests == 2)

        let once = try await Self.run([Self.down, Self.done, Self.down, Self.done])
        #expect(once.outcome.ended == 2 && once.outcome.left == 2)
        #expect(once.requests == 4)
    }

    @Test func `takes no longer than it may, whatever a request does`() async throws {
        let (outcome, _, took) = try await Self.run([Self.done, .hang], longest: .seconds(4))
        // A request of which nothing is heard takes half a minute.
        #expect(took < .seconds(20))
        #expect(outcome.ended == 1 && outcome.left == 3 && outcome.leftUntil == last)
        #expect(outcome.reason == "it took too long")
    }

    @Test func `counts right when the ledger fails in between`() async throws {
        let refusing = """
            CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;
            """
        let trigger = """
            DO $do$ BEGIN
                EXECUTE $sql$\(refusing)$sql$;
                CREATE TRIGGER refuse BEFORE UPDATE ON lockstep.webhook_channels FOR EACH ROW
                    WHEN (NEW.channel_id = 'c3') EXECUTE FUNCTION refuse();
            END $do$
            """
        let (outcome, requests, _) = try await Self.run([Self.done], sql: trigger)
        #expect(outcome.ended == 3 && outcome.left == 1 && outcome.leftUntil == last)
        #expect(outcome.reason != nil)
        #expect(requests == 3)
    }

    @Test func `tells that watches may go on when nobody can look at them`() async throws {
        let (outcome, requests, _) = try await Self.run(
            [Self.done], sql: "ALTER TABLE lockstep.webhook_channels RENAME TO elsewhere")
        #expect(outcome.ended == 0 && outcome.left == 0 && requests == 0)
        let reason = try #require(outcome.reason)
        #expect(outcome.sentence == "; watches may go on (\(reason))")
    }
}
