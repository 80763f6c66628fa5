// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import Model
import Testing

@testable import DeclarativeConnectors

@Suite struct `What is kept of a response` {
    @Test func `has no secret, not even half of one at its end`() {
        let secrets = [
            SecretString("s3cret-value"), SecretString("s3cret-value-longer"), SecretString("abc"),
        ]
        let short = ResponseEvidence(
            status: 200, body: Array(#"{"a":"s3cret-value-longer","b":"s3cret-value","c":"abc"}"#.utf8),
            secrets: secrets)
        #expect(String(decoding: short.body, as: UTF8.self) == #"{"a":"<secret>","b":"<secret>","c":"abc"}"#)

        let filler = [UInt8](repeating: 120, count: ResponseEvidence.maximumBytes - 5)
        let long = ResponseEvidence(
            status: nil, body: filler + Array("s3cret-value-longer and more".utf8), secrets: secrets)
        #expect(long.body.count == ResponseEvidence.maximumBytes)
        #expect(long.body.suffix(5) == Array("<secr".utf8)[...])
        #expect(long.size == filler.count + 28)
    }

    @Test func `comes with a page that is not what the manifest describes`() async throws {
        let provider = try Provider(manifest("    path: /items\n    page: { kind: none }", auth: bearer)) {
            _ in
            json(#"{"items":[],"echo":"k 1 is the key"}"#)
        }
        let strategy = try provider.strategy(secrets: ["api_key": "k 1 is the key"])
        let reader = strategy.fullSync(of: .whole, resumingAt: nil)
        let error = await #expect(throws: ConnectorError.self) { try await reader.nextPage() }
        #expect(error?.code == "records_missing")
        #expect(error?.evidence?.status == 200)
        #expect(
            error?.evidence.map { String(decoding: $0.body, as: UTF8.self) }
                == #"{"items":[],"echo":"<secret>"}"#)
    }

    private let bearer = #"auth: { kind: bearer, token: "${secret.api_key}" }"#
}
