// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Settings

struct VerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Compare the sandbox's objects with the records, byte by byte.",
        discussion: "Exits with 1 when they differ. The first differences are explained, a line each.")

    @Option(help: "Explain at most this many differences.")
    var explain = 20

    func run() async throws {
        try await CommandContext.run { context in
            let verifier = Verifier(
                pool: context.pool, registry: try ConnectorCommand.registry(context.settings),
                serviceURLs: context.settings.serviceURLs, logger: context.logger)
            let result = try await verifier.verify()
            for finding in result.findings.prefix(max(0, explain)) { print(finding.explanation) }
            print("verify: \(result.findings.count) differences in \(result.objects) objects")
            if !result.findings.isEmpty { throw Exit.failed }
        }
    }
}
