// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import DeclarativeConnectors
import Foundation
import HTTPTransport
import Logging
import Settings

extension ConnectorCommand {
    struct Probe: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Read a few pages of an API that has no connector yet, and propose a manifest.",
            discussion: """
                Sends at most \(ConnectorProbe.maximumRequests) GET requests to the URL's host, and to no other. The \
                proposal goes to standard output, what was not found out to standard error. No credential gets into \
                either. Nothing is guessed when a connector runs: check the proposal with the provider's \
                documentation, and write a fixture for 'connector test'.
                """)

        @Argument(help: "The URL of a list, such as https://api.acme.example/v1/orders?limit=100.")
        var url: String
        @Option(
            name: .customLong("header"),
            help:
                "A header to send, such as 'X-Api-Key: …'. Others on this machine can see it; --token-env is safer."
        )
        var headers: [String] = []
        @Option(help: "The environment variable with a token, sent as 'Authorization: Bearer …'.")
        var tokenEnv: String?
        @Option(help: "The service's name in the proposal; default: after the host.")
        var service: String?

        func run() async throws {
            var sent = try headers.map(Self.header)
            if let tokenEnv {
                guard let token = ProcessInfo.processInfo.environment[tokenEnv], !token.isEmpty else {
                    throw Exit.complain(
                        "--token-env: \(tokenEnv) is not set; export the token under that name", Exit.usage)
                }
                sent.insert(("Authorization", "Bearer \(token)"), at: 0)
            }
            var logger = Logger(label: "probe")
            logger.logLevel = .error
            var configuration = HTTPClientConfiguration()
            configuration.userAgent = "lockstep-probe"
            // The person names the host, so it may be one of their own network.
            configuration.addressPolicy = .allowing(hosts: ServiceAddress.hosts(of: ["probe": url]))
            let probe = ConnectorProbe(
                http: HTTPClient(configuration: configuration, logger: logger), headers: sent,
                service: service)
            do throws(ProbeError) {
                let proposal = try await probe.run(url)
                print(proposal.text, terminator: "")
                for question in proposal.questions {
                    FileHandle.standardError.write(Data("not known: \(question)\n".utf8))
                }
            } catch {
                throw Exit.complain(error.message, Exit.badData)
            }
        }

        private static func header(_ text: String) throws -> (name: String, value: String) {
            let halves = text.split(separator: ":", maxSplits: 1)
            guard halves.count == 2, !halves[0].contains(" ") else {
                throw Exit.complain("--header: '\(text.prefix(20))…' is no header; 'NAME: VALUE'", Exit.usage)
            }
            return (String(halves[0]), halves[1].trimmingCharacters(in: .whitespaces))
        }
    }
}
