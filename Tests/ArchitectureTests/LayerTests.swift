// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// The layer of each target, lowest first. docs/architecture.md shows the same table.
private let layers: [(name: String, targets: Set<String>)] = [
    ("C modules", ["CHiredis", "CLibPQ", "CCurl", "COpenSSL", "CSimdJSON", "CZlib"]),
    ("foundations", ["Model", "Settings", "Cryptography", "PageScanner", "MigrationFiles"]),
    ("drivers", ["RedisClient", "PostgresClient", "HTTPTransport"]),
    (
        "services",
        ["JobQueue", "RateLimits", "SyncStore", "Vault", "OAuth", "Cron", "ConnectorKit", "Webhooks"]
    ),
    ("connectors", ["BuiltinConnectors", "DeclarativeConnectors"]),
    ("engine", ["SyncEngine", "Credentials", "Actions", "Alerts", "ChangeFeed", "WebhookIntake"]),
    (
        "runtimes",
        ["WorkerRuntime", "SchedulerRuntime", "Gateway", "Observability", "Sandbox", "DevCluster"]
    ),
    ("executables", ["LockstepWorker", "LockstepScheduler", "Lockstep", "LockstepBench", "RefreshProbe"]),
]

/// Plain values that every target above the C modules may use, the other foundations included.
private let vocabulary = "Model"

private struct PackageDump: Decodable {
    struct Target: Decodable {
        let name: String
        let type: String
        let dependencies: [Dependency]
    }

    struct Dependency: Decodable {
        let byName: [String?]?
        let target: [String?]?

        var targetName: String? { (byName ?? target)?.first ?? nil }
    }

    let targets: [Target]
}

@Suite struct `The layers` {
    @Test func `no target imports upward or sideways`() throws {
        let targets = try dumpedTargets()
        let rank = Dictionary(
            uniqueKeysWithValues: layers.enumerated().flatMap { index, layer in
                layer.targets.map { ($0, index) }
            })

        for target in targets where target.type != "test" && target.name != "TestSupport" {
            let own = try #require(rank[target.name], "\(target.name) has no layer in the table")
            for dependency in target.dependencies.compactMap(\.targetName) where dependency != vocabulary {
                let other = try #require(rank[dependency], "\(dependency) has no layer in the table")
                #expect(
                    other < own,
                    "\(target.name) (\(layers[own].name)) must not import \(dependency) (\(layers[other].name))"
                )
            }
        }
    }

    @Test func `each C module is imported by exactly one target`() throws {
        let targets = try dumpedTargets()

        for module in targets where layers[0].targets.contains(module.name) {
            let users = targets.filter { target in
                target.dependencies.contains { $0.targetName == module.name }
            }
            #expect(users.count == 1, "\(module.name) is imported by \(users.map(\.name))")
        }
    }

    private func dumpedTargets() throws -> [PackageDump.Target] {
        let root = URL(fileURLWithPath: #filePath)
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let scratch = FileManager.default.temporaryDirectory
            .appendingPathComponent("lockstep-dump-\(UUID().uuidString)")
        defer { _ = try? FileManager.default.removeItem(at: scratch) }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        // A scratch path of its own: the build that runs this test holds the lock of `.build`.
        process.arguments = [
            "swift", "package", "--package-path", root.path, "--scratch-path", scratch.path, "dump-package",
        ]
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let json = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        return try JSONDecoder().decode(PackageDump.self, from: json).targets
    }
}
