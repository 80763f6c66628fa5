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

    @Test func `has no part of a secret that stands across the cut, when one before it was long`() {
        let token = String((0..<1_000).map { Character(UnicodeScalar(UInt8(97 + $0 * 7 % 26))) })
        func body(_ limit: Int) -> [UInt8] {
            let filler = String(repeating: "0", count: limit - 1_100)
            return Array((token + filler + token + "1").utf8)
        }
        let kept = ResponseEvidence(
            status: 200, body: body(ResponseEvidence.maximumBytes), secrets: [SecretString(token)])
        let filler = [UInt8](repeating: 48, count: ResponseEvidence.maximumBytes - 1_100)
        #expect(kept.body == Array("<secret>".utf8) + filler + Array("<secret>".utf8))

        let long = Array((String(repeating: token, count: 4) + token + "1").utf8)
        let excerpt = ResponseJudge.excerpt(long, without: [SecretString(token)])
        #expect(excerpt == String(repeating: "<secret>", count: 5))
    }

    @Test func `has no part of secrets that overlap`() {
        let kept = ResponseEvidence(
            status: 200, body: Array("..abcd12xyzw..".utf8),
            secrets: [SecretString("abcd12"), SecretString("cd12xyzw"), SecretString("d12x")])
        #expect(String(decoding: kept.body, as: UTF8.self) == "..<secret>..")
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
