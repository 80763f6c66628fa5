// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import Credentials
import Foundation
import HTTPTransport
import Model
import OAuth
import PostgresClient
import SyncStore
import TestSupport
import Testing

@Suite struct `A kept token` {
    @Test func `is used as it is while it is valid`() async throws {
        let fixture = try await Fixture()
        try await fixture.connect(expiresIn: .seconds(3_600))

        let source = try await fixture.source(fixture.keeper())

        #expect(try await source.current().token == "at-1")
        #expect(fixture.provider.tokenRequests == 0)
    }

    @Test func `is renewed when it is over, and both new tokens are stored before they are used`()
        async throws
    {
        let fixture = try await Fixture()
        try await fixture.connect(expiresIn: .seconds(3_600))
        try await fixture.expire()
        let seen = LockedBox<[RefreshStep]>([])
        let keeper = fixture.keeper { $0.observe = { step in seen.withLock { $0.append(step) } } }

        let secrets = try await fixture.source(keeper).current()

        #expect(secrets.token == "at-2")
        #expect(secrets.version == 2)
        #expect(try await fixture.stored() == ["access_token": "at-2", "refresh_token": "rt-2"])
        #expect(seen.withLock { $0 } == [.locked, .claimed, .answered, .stored])
        let request = try #require(fixture.provider.requests.first)
        #expect(request.header("Authorization") == "Basic YXBwOmFwcC1zZWNyZXQ=")
        let left = try await fixture.text(
            "SELECT refresh_at - now() BETWEEN interval '54 min' AND interval '55 min' FROM lockstep.credentials"
        )
        #expect(left == "true")
    }

    @Test func `is renewed a margin before its end, and used when that fails`() async throws {
        let fixture = try await Fixture()
        try await fixture.connect(expiresIn: .seconds(3_600))
        _ = try await fixture.pool.query(
            "UPDATE lockstep.credentials SET refresh_at = now() - interval '1 s'")
        fixture.provider.change { $0.answers = [("503 Service Unavailable", "")] }
        let source = try await fixture.source(fixture.keeper())

        #expect(try await source.current().token == "at-1")
        #expect(try await source.current().token == "at-1")
        #expect(fixture.provider.tokenRequests == 1, "a second look comes later")
        _ = try await fixture.pool.query("UPDATE lockstep.credentials SET refresh_not_before = NULL")
        #expect(try await fixture.source(fixture.keeper()).current().token == "at-2")
    }

    @Test func `keeps the refresh token that no answer replaces`() async throws {
        let fixture = try await Fixture()
        fixture.provider.change { $0.rotates = false }
        try await fixture.connect(expiresIn: .seconds(3_600))
        try await fixture.expire()

        _ = try await fixture.source(fixture.keeper()).current()

        #expect(try await fixture.stored() == ["access_token": "at-2", "refresh_token": "rt-1"])
    }

    @Test func `of unknown lifetime is used until it is refused, then renewed once`() async throws {
        let fixture = try await Fixture()
        fixture.provider.change { $0.expiresIn = nil }
        try await fixture.connect(expiresIn: nil)
        let source = try await fixture.source(fixture.keeper())

        let first = try await source.current()
        #expect(first.token == "at-1")
        let second = try await source.replacement(for: first)
        #expect(second.token == "at-2")
        #expect(try await source.current().token == "at-2")
        #expect(try await fixture.text("SELECT expires_at FROM lockstep.credentials") == nil)
        #expect(fixture.provider.tokenRequests == 1)
        // A run that still holds the old token gets the new one, and asks nobody.
        #expect(try await fixture.source(fixture.keeper()).replacement(for: first).token == "at-2")
        #expect(fixture.provider.tokenRequests == 1)
    }

    @Test func `that its provider takes no more ends the integration with one alert`() async throws {
        let fixture = try await Fixture()
        try await fixture.connect(
            expiresIn: .seconds(60), secrets: ["access_token": "a", "refresh_token": "old"])
        try await fixture.expire()
        let keeper = fixture.keeper()

        for _ in 0..<3 {
            let error = try await failure { try await fixture.source(keeper).current() }
            #expect(error.errorClass == .authRevoked)
            #expect(error.code == "invalid_grant")
            #expect(!error.description.contains("old"))
        }

        #expect(fixture.provider.tokenRequests == 1)
        #expect(try await fixture.count("integrations WHERE status = 'reauth_required'") == 1)
        #expect(try await fixture.count("alerts WHERE kind = 'reauth_required' AND resolved_at IS NULL") == 1)
        // Connected anew, it works, and the alert is over.
        _ = try await fixture.integrations.add(fixture.key, configuration: Array("{}".utf8))
        try await fixture.connect(expiresIn: .seconds(3_600))
        #expect(try await fixture.source(keeper).current().token == "at-1")
        #expect(try await fixture.count("alerts WHERE resolved_at IS NULL") == 0)
    }

    @Test func `that was replaced while it was refused does not end the integration`() async throws {
        let fixture = try await Fixture()
        try await fixture.connect(
            expiresIn: .seconds(60), secrets: ["access_token": "a", "refresh_token": "old"])
        try await fixture.expire()
        let connect: @Sendable () async throws -> Void = {
            try await fixture.connect(expiresIn: .seconds(3_600))
        }
        fixture.provider.change { behaviour in
            behaviour.beforeAnswer = {
                let done = DispatchSemaphore(value: 0)
                Task {
                    try await connect()
                    done.signal()
                }
                done.wait()
            }
        }

        #expect(try await fixture.source(fixture.keeper()).current().token == "at-1")
        #expect(try await fixture.count("integrations WHERE status = 'active'") == 1)
        #expect(try await fixture.count("alerts") == 0)
    }

    @Test func `whose provider is down is tried again later, not at once by everybody`() async throws {
        let fixture = try await Fixture()
        try await fixture.connect(expiresIn: .seconds(60))
        try await fixture.expire()
        fixture.provider.change { $0.answers = [("503 Service Unavailable", "<html>")] }
        let keeper = fixture.keeper()

        let first = try await failure { try await fixture.source(keeper).current() }
        #expect(first.errorClass == .transient && first.code == "http_503")
        let second = try await failure { try await fixture.source(keeper).current() }
        #expect(second.code == "refresh_failed" && second.retryAfter != nil)
        #expect(fixture.provider.tokenRequests == 1)
    }

    @Test func `whose answer was lost is asked for with the old token once`() async throws {
        for hasGrace in [true, false] {
            let fixture = try await Fixture()
            try await fixture.connect(expiresIn: .seconds(60))
            try await fixture.expire()
            fixture.provider.change { $0.losesAnswer = true }
            let keeper = fixture.keeper()
            let lost = try await failure { try await fixture.source(keeper).current() }
            #expect(lost.errorClass == .transient)
            fixture.provider.change { behaviour in
                behaviour.losesAnswer = false
                behaviour.hasGrace = hasGrace
            }
            _ = try await fixture.pool.query("UPDATE lockstep.credentials SET refresh_not_before = NULL")

            if hasGrace {
                #expect(try await fixture.source(keeper).current().token == "at-2")
            } else {
                let error = try await failure { try await fixture.source(keeper).current() }
                #expect(error.code == "refresh_interrupted")
                #expect(try await fixture.count("alerts WHERE detail LIKE '%interrupted%'") == 1)
            }
            #expect(fixture.provider.tokenRequests == 2)
        }
    }

    @Test func `without what it is asked for with is the operator's matter`() async throws {
        let fixture = try await Fixture()
        try await fixture.connect(expiresIn: .seconds(60))
        try await fixture.expire()

        let error = try await failure { try await fixture.source(fixture.keeper(client: nil)).current() }

        #expect(error.errorClass == .config)
        #expect(error.operatorDetail.contains("LOCKSTEP_OAUTH_"))
        #expect(try await fixture.count("integrations WHERE status = 'active'") == 1)
    }

    @Test func `is asked for by clients without a user, the first time too`() async throws {
        let fixture = try await Fixture()
        fixture.provider.change { $0.rotates = false }
        try await fixture.connect(expiresIn: nil, secrets: ["client_id": "own", "client_secret": "s"])
        var profile = fixture.profile
        profile.grant = .clientCredentials

        let secrets = try await fixture.source(fixture.keeper(client: nil), profile: profile).current()

        #expect(secrets.token == "at-2")
        #expect(try await fixture.stored()["client_secret"] == "s")
        #expect(fixture.provider.requests.first?.header("Authorization") == "Basic b3duOnM=")
    }

    @Test func `that a person gave is read again when it is refused`() async throws {
        let fixture = try await Fixture()
        try await fixture.connect(expiresIn: nil, secrets: ["api_key": "k-1"])
        let keeper = fixture.keeper()
        let source = try keeper.source(
            for: fixture.key, id: fixture.id, title: "Demo", profile: nil, configuration: [:],
            initial: try await fixture.store.read(fixture.id)?.credential)

        let first = try await source.current()
        #expect(try await source.replacement(for: first).values["api_key"]?.exposed == "k-1")
        try await fixture.connect(expiresIn: nil, secrets: ["api_key": "k-2"])
        #expect(try await source.replacement(for: first).values["api_key"]?.exposed == "k-2")
    }

    @Test func `is renewed although its caller was cancelled`() async throws {
        let fixture = try await Fixture()
        try await fixture.connect(expiresIn: .seconds(60))
        try await fixture.expire()
        let hold = DispatchSemaphore(value: 0)
        let (arrivals, arrived) = AsyncStream.makeStream(of: Void.self)
        fixture.provider.change { behaviour in
            behaviour.beforeAnswer = {
                arrived.yield()
                hold.wait()
            }
        }
        let keeper = fixture.keeper()
        let source = try await fixture.source(keeper)
        let caller = Task { try await source.current() }
        var iterator = arrivals.makeAsyncIterator()
        await iterator.next()
        caller.cancel()
        _ = await caller.result
        hold.signal()

        await keeper.settle()

        #expect(try await fixture.stored()["refresh_token"] == "rt-2")
    }
}
