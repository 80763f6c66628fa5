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

func tests(_ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
    .testTarget(
        name: name, dependencies: dependencies + ["TestSupport"], exclude: exclude,
        swiftSettings: settings)
}

func executable(_ name: String, path: String, _ dependencies: [Target.Dependency]) -> Target {
    .executableTarget(name: name, dependencies: dependencies, path: path, swiftSettings: settings)
}

let log = Target.Dependency.product(name: "Logging", package: "swift-log")
let lifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let signals = Target.Dependency.product(name: "UnixSignals", package: "swift-service-lifecycle")
let arguments = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let nioHTTP1 = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let nioSSL = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")
let hummingbird = Target.Dependency.product(name: "Hummingbird", package: "hummingbird")
let structuredFields = Target.Dependency.product(
    name: "RawStructuredFieldValues", package: "swift-http-structured-headers")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")

/// The layers, lowest first; `Tests/ArchitectureTests` refuses an import that goes up or sideways.
let cModules: [Target] = [
    .systemLibrary(name: "CLibPQ"),
    .systemLibrary(name: "COpenSSL"),
    .systemLibrary(name: "CCurl"),
    .systemLibrary(name: "CHiredis"),
    .systemLibrary(name: "CZlib"),
    .target(
        name: "CSimdJSON", linkerSettings: [.linkedLibrary("simdjson"), .linkedLibrary("stdc++")]),
]

let migrations = [
    "0001_ledger", "0002_log", "0003_dispatch", "0004_health", "0005_runs", "0006_checkpoints", "0007_sweeps",
    "0008_schedules", "0009_job_ids", "0010_credentials", "0012_views", "0013_actions", "0014_webhooks",
    "0015_changes", "0016_retention", "0017_alerts", "0018_subscriptions", "0019_requests_of_runs",
    "0020_gateway", "0021_window_sweeps", "0022_runs", "0023_webhook_deletions",
    "0024_sweep_decisions", "0025_feed_erasure_webhooks", "0026_actions_by_status", "0027_sweep_guards",
    "0029_passing_refusals", "0030_members_waits_responses", "0031_wanted_values",
    "0032_change_index",
]

let foundations: [Target] = [
    library("Model"),
    library("Settings", ["Model"]),
    library("Cryptography", ["COpenSSL"]),
    library("PageScanner", ["CSimdJSON", "Model"]),
    library("MigrationFiles", path: "migrations", embedding: migrations.map { "\($0).sql" }),
]

let drivers: [Target] = [
    library("PostgresClient", ["CLibPQ", "Model"]),
    library("HTTPTransport", ["CCurl", "CZlib", "Model", log, lifecycle]),
    library("RedisClient", ["CHiredis", "Model", log, lifecycle, nioCore, nioPosix, nioSSL]),
]

let services: [Target] = [
    library("Cron", ["Model"]),
    library("JobQueue", ["Model", "RedisClient"], embedding: ["Scripts"]),
    library("RateLimits", ["Model", "RedisClient", log], embedding: ["Scripts"]),
    library("Vault", ["Cryptography", "Model", "Settings"]),
    library("OAuth", ["Cryptography", "HTTPTransport", "Model", "PageScanner"]),
    library("ConnectorKit", ["HTTPTransport", "Model", "PageScanner"]),
    library("Webhooks", ["Cryptography", "HTTPTransport", "Model", "PageScanner"]),
    library(
        "SyncStore", ["Cryptography", "MigrationFiles", "Model", "PageScanner", "PostgresClient"],
        embedding: ["SQL"]),
]

let connectors: [Target] = [
    library(
        "BuiltinConnectors", path: "connectors", exclude: ["fixtures"],
        embedding: [
            "airtable.yaml", "asana.yaml", "github.yaml", "gmail.yaml", "google-calendar.yaml",
            "hubspot.yaml", "intercom.yaml", "jira.yaml", "linear.yaml", "notion.yaml",
            "pagerduty.yaml", "salesforce.yaml", "shopify.yaml", "slack.yaml", "stripe.yaml",
            "zendesk.yaml",
        ]),
    library(
        "DeclarativeConnectors",
        [
            "ConnectorKit", "Cryptography", "HTTPTransport", "Model", "PageScanner", "Settings", "Webhooks",
            structuredFields, yams,
        ]),
]

let engine: [Target] = [
    library(
        "Credentials",
        [
            "ConnectorKit", "Cryptography", "HTTPTransport", "Model", "OAuth", "PageScanner", "RedisClient",
            "SyncStore", "Vault", log, lifecycle,
        ], embedding: ["Scripts"]),
    library(
        "WebhookIntake",
        [
            "ConnectorKit", "Cryptography", "HTTPTransport", "JobQueue", "Model", "PageScanner", "SyncStore",
            "Vault",
            "Webhooks", log, lifecycle,
        ]),
    library("SyncEngine", ["ConnectorKit", "Cryptography", "Model", "PageScanner", "SyncStore"]),
    library("Actions", ["ConnectorKit", "Cryptography", "JobQueue", "Model", "PageScanner", "SyncStore"]),
    library("Alerts", ["ConnectorKit", "Model", "PageScanner", "SyncStore"]),
    library(
        "ChangeFeed",
        [
            "ConnectorKit", "Cryptography", "HTTPTransport", "Model", "SyncStore", "Vault", "Webhooks", log,
            lifecycle,
        ]),
]

let runtimes: [Target] = [
    library(
        "Gateway",
        [
            "Actions", "ConnectorKit", "Credentials", "Cron", "Cryptography", "HTTPTransport", "JobQueue",
            "Model",
            "OAuth", "PageScanner", "RateLimits", "Settings", "SyncStore", "Vault", "WebhookIntake",
            hummingbird, log, lifecycle, nioCore, nioHTTP1,
        ], embedding: ["Assets"]),
    library("Observability", ["Model", hummingbird, log, lifecycle]),
    library("DevCluster", ["Model"]),
    library(
        "SchedulerRuntime",
        [
            "Actions", "Alerts", "ConnectorKit", "Cron", "Cryptography", "HTTPTransport", "JobQueue", "Model",
            "PageScanner", "SyncStore", "Webhooks", log, lifecycle,
        ]),
    library(
        "WorkerRuntime",
        [
            "Actions", "ConnectorKit", "Credentials", "Cryptography", "HTTPTransport", "JobQueue", "Model",
            "PageScanner", "RateLimits", "SyncEngine", "SyncStore", "Vault", "Webhooks", log, lifecycle,
        ]),
    library(
        "Sandbox", ["Cryptography", "HTTPTransport", "Model", log, lifecycle, nioCore, nioPosix, nioHTTP1]),
]

let executables: [Target] = [
    executable(
        "LockstepWorker", path: "Worker",
        [
            "BuiltinConnectors", "ChangeFeed", "ConnectorKit", "Credentials", "OAuth",
            "DeclarativeConnectors",
            "HTTPTransport", "JobQueue",
            "Observability", "PostgresClient", "RateLimits", "RedisClient", "Settings", "SyncEngine",
            "SyncStore", "Vault", "Model", "WorkerRuntime", log, lifecycle, signals,
        ]),
    executable(
        "LockstepScheduler", path: "Scheduler",
        [
            "Actions", "Alerts", "BuiltinConnectors", "DeclarativeConnectors", "HTTPTransport", "JobQueue",
            "Model", "Observability", "PostgresClient", "RedisClient", "SchedulerRuntime", "Settings",
            "SyncStore", "Webhooks", log, lifecycle, signals,
        ]),
    executable(
        "Lockstep", path: "Sources/Lockstep",
        [
            "Actions", "BuiltinConnectors", "ChangeFeed", "ConnectorKit", "Credentials", "OAuth", "Cron",
            "Cryptography",
            "DeclarativeConnectors",
            "DevCluster", "Gateway",
            "HTTPTransport", "JobQueue",
            "Model", "Observability", "PageScanner", "PostgresClient", "RateLimits", "RedisClient", "Sandbox",
            "Settings", "SyncStore", "Vault", "WebhookIntake", "Webhooks", "WorkerRuntime", arguments, log,
            lifecycle, signals,
        ]),
]

let benchmarks: [Target] = [
    executable(
        "LockstepBench", path: "Benchmarks",
        [
            "ConnectorKit", "Credentials", "Cron", "Cryptography", "DeclarativeConnectors", "DevCluster",
            "HTTPTransport", "JobQueue", "Model",
            "Observability", "PostgresClient", "RateLimits", "RedisClient", "Settings", "SyncEngine",
            "SyncStore", "Vault", "WorkerRuntime", log,
        ])
]

let testTargets: [Target] = [
    .target(
        name: "TestSupport", dependencies: ["Model"], path: "Tests/TestSupport", swiftSettings: settings),
    tests("ArchitectureTests", []),
    tests("TestSupportTests", []),
    tests("ModelTests", ["Model"]),
    tests("CronTests", ["Cron", "Model"], exclude: ["Vectors"]),
    tests("CryptographyTests", ["Cryptography"]),
    tests("SettingsTests", ["Settings", "Model"]),
    tests(
        "GatewayTests",
        [
            "Actions", "BuiltinConnectors", "ConnectorKit", "Credentials", "Cryptography",
            "DeclarativeConnectors",
            "Gateway", "HTTPTransport", "JobQueue", "Model", "OAuth", "PostgresClient", "RateLimits",
            "RedisClient",
            "Sandbox", "Settings", "SyncStore", "Vault", log, lifecycle, nioCore, nioPosix,
        ]),
    tests("OAuthTests", ["Cryptography", "HTTPTransport", "Model", "OAuth"]),
    tests(
        "CredentialsTests",
        [
            "BuiltinConnectors", "DeclarativeConnectors", "PageScanner", "Sandbox", "ConnectorKit",
            "Credentials",
            "Cryptography", "HTTPTransport", "JobQueue", "Model", "OAuth",
            "PostgresClient", "RedisClient", "RefreshProbe", "SyncStore", "Vault", log,
        ]),
    executable(
        "RefreshProbe", path: "Tests/RefreshProbe",
        [
            "ConnectorKit", "Credentials", "HTTPTransport", "Model", "OAuth", "PostgresClient", "RedisClient",
            "SyncStore", "Vault", log,
        ]),
    tests(
        "WebhookIntakeTests",
        [
            "BuiltinConnectors", "ConnectorKit", "Credentials", "Cryptography", "DeclarativeConnectors",
            "HTTPTransport", "JobQueue", "Model", "PostgresClient", "RedisClient", "SyncStore", "Vault",
            "WebhookIntake", "Webhooks", log,
        ]),
    tests(
        "WebhooksTests", ["Cryptography", "HTTPTransport", "Model", "Webhooks"]),
    tests(
        "ActionsTests",
        [
            "Actions", "BuiltinConnectors", "ConnectorKit", "Cryptography", "DeclarativeConnectors",
            "HTTPTransport", "JobQueue", "Model", "PageScanner", "PostgresClient", "RedisClient", "Sandbox",
            "SyncStore", log,
        ]),
    tests("VaultTests", ["Vault", "Settings", "Cryptography", "Model"]),
    tests("PageScannerTests", ["PageScanner"]),
    tests("PostgresClientTests", ["PostgresClient"]),
    tests("HTTPTransportTests", ["HTTPTransport", "Model", log, lifecycle]),
    tests(
        "EndToEndTests",
        [
            "Credentials", "Cryptography", "DevCluster", "HTTPTransport", "JobQueue", "Model",
            "PostgresClient", "Webhooks",
            "RedisClient",
            "Settings", "SyncStore", "Vault", "Lockstep", "LockstepScheduler", "LockstepWorker", log,
        ], exclude: ["Connectors"]),
    tests(
        "SchedulerRuntimeTests",
        [
            "Actions", "Alerts", "BuiltinConnectors", "ConnectorKit", "Cron", "Cryptography",
            "DeclarativeConnectors", "HTTPTransport", "JobQueue", "Model", "PostgresClient", "RedisClient",
            "SchedulerRuntime", "SyncStore", "Webhooks", log,
        ]),
    tests(
        "DeploymentTests",
        [
            "DevCluster", "Gateway", "HTTPTransport", "Lockstep", "LockstepScheduler", "LockstepWorker",
            "Model", "Settings",
            "WorkerRuntime", log, yams,
        ]),
    tests("AlertsTests", ["Alerts", "Model", "SyncStore"]),
    tests(
        "ChangeFeedTests",
        [
            "ChangeFeed", "Cryptography", "HTTPTransport", "Model", "PostgresClient", "SyncStore", "Vault",
            "Webhooks", log,
        ]),
    tests("SandboxTests", ["Cryptography", "Sandbox", "Model", log, nioCore, nioPosix, nioHTTP1]),
    tests(
        "DeclarativeConnectorsTests",
        [
            "BuiltinConnectors", "ConnectorKit", "DeclarativeConnectors", "HTTPTransport", "Model",
            "PageScanner", "Sandbox", log,
        ]),
    tests(
        "WorkerRuntimeTests",
        [
            "ConnectorKit", "DeclarativeConnectors", "HTTPTransport", "Model", "PostgresClient", "RateLimits",
            "RedisClient",
            "SyncStore", "WorkerRuntime", log, lifecycle,
        ]),
    tests("ObservabilityTests", ["Model", "Observability", log]),
    tests("RedisClientTests", ["RedisClient", "Model", log, lifecycle, nioCore]),
    tests("RateLimitsTests", ["Model", "RateLimits", "RedisClient", log]),
    tests("JobQueueTests", ["JobQueue", "RedisClient", "Model", log]),
    tests(
        "SyncEngineTests",
        [
            "BuiltinConnectors", "ConnectorKit", "Cryptography", "DeclarativeConnectors", "HTTPTransport",
            "Model",
            "PostgresClient", "Sandbox", "SyncEngine", "SyncStore", log,
        ]),
    tests(
        "SyncStoreTests",
        ["Cryptography", "MigrationFiles", "Model", "PageScanner", "PostgresClient", "SyncStore"]),
]

let package = Package(
    name: "lockstep",
    products: [
        .executable(name: "lockstep", targets: ["Lockstep"]),
        .executable(name: "lockstep-bench", targets: ["LockstepBench"]),
        .executable(name: "lockstep-scheduler", targets: ["LockstepScheduler"]),
        .executable(name: "lockstep-worker", targets: ["LockstepWorker"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-http-structured-headers", from: "1.7.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ],
    targets: cModules + foundations + drivers + services + connectors + engine + runtimes + executables
        + benchmarks
        + testTargets,
    cxxLanguageStandard: .cxx17
)
