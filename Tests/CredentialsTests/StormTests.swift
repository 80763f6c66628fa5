// SPDX-License-Identifier: Apache-2.0

import Credentials
import Foundation
import Model
import TestSupport
import Testing

/// A process of a storm, which has said that it is ready.
private final class Probe {
    private let process = Process()
    private let input = Pipe()
    private let output = Pipe()

    init(_ fixture: Fixture, redis: RedisServer, callers: Int, stopAt: RefreshStep? = nil) throws {
        process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
            .deletingLastPathComponent().appendingPathComponent("RefreshProbe")
        process.environment = [
            "DATABASE_URL": fixture.url, "REDIS_URL": redis.url, "PREFIX": "storm", "KEYS": fixture.keys,
            "INTEGRATION": "\(fixture.id)", "PROVIDER": fixture.provider.origin, "CALLERS": "\(callers)",
            "STOP_AT": stopAt?.rawValue ?? "",
        ]
        process.standardInput = input
        process.standardOutput = output
        try process.run()
    }

    func waitUntilReady() {
        let line = output.fileHandleForReading.readData(ofLength: "ready\n".utf8.count)
        #expect(String(decoding: line, as: UTF8.self) == "ready\n")
    }

    func go() {
        input.fileHandleForWriting.write(Data("go\n".utf8))
    }

    /// What its callers got, and how often.
    func outcomes() -> [String: Int] {
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        var counts: [String: Int] = [:]
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: " ", maxSplits: 1).map(String.init)
            if parts.count == 2, let count = Int(parts[0]) { counts[parts[1], default: 0] += count }
        }
        return counts
    }

    func waitUntilKilled() {
        process.waitUntilExit()
        #expect(process.terminationReason == .uncaughtSignal)
    }
}

@Suite(.serialized) struct `A refresh storm` {
    private func storm(
        _ fixture: Fixture, _ redis: RedisServer, processes: Int = 8, callers: Int = 1_000,
        before: () throws -> Void = {}
    ) throws -> [String: Int] {
        let probes = try (0..<processes).map { _ in
            try Probe(fixture, redis: redis, callers: callers / processes)
        }
        for probe in probes { probe.waitUntilReady() }
        try before()
        for probe in probes { probe.go() }
        return probes.reduce(into: [:]) { total, probe in
            total.merge(probe.outcomes(), uniquingKeysWith: +)
        }
    }

    @Test func `of 1,000 callers in eight processes is one request`() async throws {
        let fixture = try await Fixture()
        let redis = try await RedisServer()
        try await fixture.connect(expiresIn: .seconds(60))
        try await fixture.expire()
        fixture.provider.change { $0.beforeAnswer = { usleep(300_000) } }

        let outcomes = try storm(fixture, redis)

        #expect(outcomes == ["ok 2 at-2": 1_000])
        #expect(fixture.provider.tokenRequests == 1)
        #expect(fixture.provider.refusals == 0)
    }

    @Test func `is one request also when Redis loses everything, or is gone, in the middle of it`()
        async throws
    {
        for isKilled in [false, true] {
            let fixture = try await Fixture()
            let redis = try await RedisServer()
            try await fixture.connect(expiresIn: .seconds(60))
            try await fixture.expire()
            let socket = redis.socketPath
            fixture.provider.change { behaviour in
                behaviour.beforeAnswer = {
                    if isKilled { redis.kill() } else { Self.flush(socket) }
                    usleep(700_000)
                }
            }

            let outcomes = try storm(fixture, redis)

            #expect(outcomes == ["ok 2 at-2": 1_000])
            #expect(fixture.provider.tokenRequests == 1)
        }
    }

    private static func flush(_ socket: String) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["redis-cli", "-s", socket, "FLUSHALL"]
        process.standardOutput = FileHandle.nullDevice
        do { try process.run() } catch { return }
        process.waitUntilExit()
    }

    /// Kills a process at a step of its refresh, then lets 1,000 others ask.
    private func afterKill(
        at step: RefreshStep, hasGrace: Bool = false, flushing: Bool = false
    ) async throws -> (Fixture, [String: Int]) {
        let fixture = try await Fixture()
        let redis = try await RedisServer()
        fixture.provider.change { $0.hasGrace = hasGrace }
        try await fixture.connect(expiresIn: .seconds(60))
        try await fixture.expire()
        let outcomes = try storm(fixture, redis) {
            let victim = try Probe(fixture, redis: redis, callers: 10, stopAt: step)
            victim.waitUntilReady()
            victim.go()
            victim.waitUntilKilled()
            if flushing { Self.flush(redis.socketPath) }
        }
        return (fixture, outcomes)
    }

    @Test(arguments: [RefreshStep.locked, .claimed, .stored], [false, true])
    func `goes on when its refresher is killed, with one request`(step: RefreshStep, flushing: Bool)
        async throws
    {
        let (fixture, outcomes) = try await afterKill(at: step, flushing: flushing)

        #expect(outcomes == ["ok 2 at-2": 1_000])
        #expect(fixture.provider.tokenRequests == 1)
        #expect(fixture.provider.refusals == 0)
    }

    @Test func `after an answer that died with its process goes on where the provider has a grace`()
        async throws
    {
        let (fixture, outcomes) = try await afterKill(at: .answered, hasGrace: true)

        #expect(outcomes == ["ok 2 at-2": 1_000])
        #expect(fixture.provider.tokenRequests == 2)
        #expect(fixture.provider.refusals == 0)
    }

    @Test func `after an answer that died with its process ends with a reason where the provider has none`()
        async throws
    {
        let (fixture, outcomes) = try await afterKill(at: .answered)

        #expect(outcomes == ["auth_revoked refresh_interrupted": 1_000])
        #expect(fixture.provider.tokenRequests == 2)
        #expect(try await fixture.count("integrations WHERE status = 'reauth_required'") == 1)
        #expect(try await fixture.count("alerts") == 1)
    }
}
