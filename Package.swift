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

func library(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: settings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency], resources: [Resource] = []) -> Target {
    .testTarget(name: name, dependencies: dependencies, resources: resources, swiftSettings: settings)
}

let package = Package(
    name: "lockstep",
    targets: [
        .systemLibrary(name: "CLibPQ"),
        library("Model"),
        library("PostgresClient", ["CLibPQ", "Model"]),
        tests("ArchitectureTests", []),
        tests("ModelTests", ["Model"]),
        .target(name: "TestSupport", path: "Tests/TestSupport", swiftSettings: settings),
        tests("PostgresClientTests", ["PostgresClient", "TestSupport"]),
    ]
)
