// swift-tools-version: 6.1
// SPDX-License-Identifier: Apache-2.0

import PackageDescription

/// The settings that every Swift target shares. CI adds `-warnings-as-errors` on the command line,
/// so that a newer compiler's warning never breaks a user's build.
let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
]

func library(
    _ name: String, path: String? = nil, _ dependencies: [Target.Dependency] = [],
    exclude: [String] = [], embedding resources: [String] = []
) -> Target {
    .target(
        name: name, dependencies: dependencies, path: path, exclude: exclude,
        resources: resources.map { .embedInCode($0) }, swiftSettings: settings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: name, dependencies: dependencies + ["TestSupport"], swiftSettings: settings)
}

/// The layers, lowest first; `Tests/ArchitectureTests` refuses an import that goes up or sideways.
let cModules: [Target] = [
    .systemLibrary(name: "CLibPQ"),
    .systemLibrary(name: "COpenSSL"),
    .target(
        name: "CSimdJSON", linkerSettings: [.linkedLibrary("simdjson"), .linkedLibrary("stdc++")]),
]

let migrations = [
    "0001_ledger", "0002_log", "0003_dispatch", "0004_health", "0005_runs", "0006_checkpoints", "0007_sweeps",
]

let foundations: [Target] = [
    library("Model"),
    library("Crypto", ["COpenSSL", "Model"]),
    library("PageScanner", ["CSimdJSON", "Model"]),
    library("MigrationFiles", path: "migrations", embedding: migrations.map { "\($0).sql" }),
]

let drivers: [Target] = [
    library("PostgresClient", ["CLibPQ", "Model"])
]

let services: [Target] = [
    library("Cron", ["Model"]),
    library(
        "SyncStore", ["Crypto", "MigrationFiles", "Model", "PageScanner", "PostgresClient"],
        embedding: ["SQL"]),
]

let testTargets: [Target] = [
    .target(name: "TestSupport", path: "Tests/TestSupport", swiftSettings: settings),
    tests("ArchitectureTests", []),
    tests("ModelTests", ["Model"]),
    tests("CronTests", ["Cron", "Model"]),
    tests("PageScannerTests", ["PageScanner"]),
    tests(
        "SyncStoreTests", ["Crypto", "MigrationFiles", "Model", "PageScanner", "PostgresClient", "SyncStore"]),
    tests("PostgresClientTests", ["PostgresClient"]),
]

let package = Package(
    name: "lockstep",
    targets: cModules + foundations + drivers + services + testTargets,
    cxxLanguageStandard: .cxx17
)
