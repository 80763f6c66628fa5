// SPDX-License-Identifier: Apache-2.0

import Gateway
import Model
import Settings

@testable import WorkerRuntime

/// The processes that deployments start: by the program of the image and its first argument.
enum Program: String, CaseIterable {
    case worker = "lockstep-worker"
    case scheduler = "lockstep-scheduler"
    case gateway = "lockstep gateway"
    case migrate = "lockstep migrate"
    case sandbox = "lockstep sandbox"

    /// Nil for what this project does not have.
    init?(_ dockerfile: Dockerfile, image: String, arguments: [String]) {
        guard let program = dockerfile.programs[image] else { return nil }
        self.init(rawValue: ([program] + arguments.prefix(1)).joined(separator: " "))
    }

    /// What it cannot work without, as its main function says.
    var requirements: ClusterSettings.Requirements {
        switch self {
        case .worker: [.database, .keys]
        case .gateway: [.database, .keys, .publicURL]
        case .scheduler, .migrate: .database
        case .sandbox: []
        }
    }

    /// How long it goes on after SIGTERM.
    var drainLimit: Duration {
        switch self {
        case .worker: JobConsumer.drainLimit
        case .gateway: Gateway.drainLimit
        case .scheduler, .migrate, .sandbox: .zero
        }
    }

    /// The paths that it answers at the ports of its settings.
    func paths(_ settings: ClusterSettings) -> [Int: Set<String>] {
        let health: Set = ["/healthz", "/readyz"]
        return switch self {
        case .worker, .scheduler: [settings.listen.port: health.union(["/metrics"])]
        case .gateway:
            [settings.listen.port: health, settings.privateListen.port: health.union(["/metrics"])]
        case .migrate, .sandbox: [:]
        }
    }
}

extension ClusterSettings {
    /// Settings of an environment with files; the names of those variables that no program reads.
    static func checked(
        _ program: Program, _ environment: [String: String], files: [String: String]
    ) throws -> (settings: ClusterSettings, unread: [String]) {
        let settings = try load(environment, requiring: program.requirements) { path in
            guard let content = files[path] else {
                return .failure(SecretFile.Refusal(reason: "\(path) is not mounted"))
            }
            return .success(SecretString(content))
        }
        let read = settings.effective.filter { $0.source == .environment }.map(\.name)
        return (settings, Set(environment.keys).subtracting(read).sorted())
    }
}
