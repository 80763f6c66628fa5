// SPDX-License-Identifier: Apache-2.0

import Logging
import Testing

@testable import Sandbox

extension SandboxServer {
    /// Runs `body` with a server on a free port.
    static func serving(
        _ change: (inout SandboxConfiguration) -> Void = { _ in },
        _ body: (HTTPProbe) async throws -> Void
    ) async throws {
        var configuration = SandboxConfiguration()
        configuration.objects = 25
        change(&configuration)
        var logger = Logger(label: "sandbox")
        logger.logLevel = .error
        let server = SandboxServer(configuration: configuration, logger: logger)
        let probe = HTTPProbe()
        try await withThrowingTaskGroup { group in
            group.addTask { try await server.run() }
            let result: Result<Void, any Error>
            do {
                result = .success(try await body(probe.at(try await server.waitForPort())))
            } catch {
                result = .failure(error)
            }
            group.cancelAll()
            try await group.waitForAll()
            #expect(server.boundPort == nil)
            try result.get()
        }
        try await probe.close()
    }
}
