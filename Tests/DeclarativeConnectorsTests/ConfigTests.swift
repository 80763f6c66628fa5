// SPDX-License-Identifier: Apache-2.0

import BuiltinConnectors
import ConnectorKit
import Model
import TestSupport
import Testing

@testable import DeclarativeConnectors

@Suite struct `What an integration may set` {
    private static let text = """
        lockstep: 1
        service: demo
        base_url: https://api.example.com
        config:
          format: { default: full, one_of: [full, metadata] }
          properties: { default: "" }
        streams:
          items:
            path: /items
            query: { format: "${config.format}", properties: "${config.properties}", fixed: "" }
            records: /data
            id: /id
            page: { kind: none }
        """

    private static func target(_ configuration: [String: String]) async throws -> String? {
        let provider = try Provider(text) { _ in json(#"{"data":[]}"#) }
        let strategy = try provider.strategy(configuration: configuration)
        _ = try await strategy.fullSync(of: .whole, resumingAt: nil).nextPage()
        return provider.targets.last
    }

    @Test func `counts, and else what the manifest says`() async throws {
        // What is set to nothing is not asked for; what the manifest itself leaves empty is.
        #expect(try await Self.target([:]) == "/api/items?format=full&fixed=")
        #expect(
            try await Self.target(["format": "metadata", "properties": "a,b"])
                == "/api/items?format=metadata&properties=a%2Cb&fixed=")
    }

    @Test func `is an array in a body where it is a list, and not there when it is empty`() async throws {
        let text = Self.text.replacing(
            "properties: { default: \"\" }", with: "properties: { default: \"\", list: true }"
        )
        .replacing("    path: /items\n", with: "    path: /items\n    method: POST\n    body: BODY\n")
        .replacing(
            "BODY",
            with:
                "{ a: \"${config.properties}\", b: [\"${config.properties}\"], c: \"x ${config.properties}\", "
                + "d: \"${config.format}\", e: [] }")
        func sent(_ configuration: [String: String]) async throws -> String? {
            let provider = try Provider(text) { _ in json(#"{"data":[]}"#) }
            _ = try await provider.strategy(configuration: configuration)
                .fullSync(of: .whole, resumingAt: nil).nextPage()
            let request = try #require(provider.server.log.requests.last)
            #expect(request.target.contains("properties=") == (configuration["properties"] != nil))
            return String(decoding: request.body, as: UTF8.self)
        }

        #expect(
            try await sent(["properties": " a b , c,,d"])
                == #"{"a":["a b","c","d"],"b":[["a b","c","d"]],"c":"x a b,c,d","d":"full","e":[]}"#)
        #expect(try await sent([:]) == #"{"b":[],"c":"x ","d":"full","e":[]}"#)
    }

    @Test(arguments: [
        ("", #"{"fixed":"","deep":{"list":["b"]}}"#),
        ("x", #"{"a":"x","fixed":"","deep":{"c":"x","list":["x","b"]}}"#),
    ])
    func `is left out of bodies, headers and what a full sync adds as well`(
        value: String, body: String
    ) async throws {
        let text = Self.text.replacing(
            "streams:",
            with: #"headers: { X-Team: "${config.properties}", Accept: "${config.properties}" }"#
                + "\nstreams:"
        ).replacing(
            "query: {",
            with: """
                method: POST
                    initial_query: { first: "${config.properties}" }
                    body: { a: "${config.properties}", fixed: "", deep: { c: "${config.properties}", list: ["${config.properties}", b] } }
                    query: {
                """)
        let provider = try Provider(text) { _ in json(#"{"data":[]}"#) }
        let strategy = try provider.strategy(configuration: ["properties": value])
        _ = try await strategy.fullSync(of: .whole, resumingAt: nil).nextPage()

        let request = try #require(provider.server.log.requests.last)
        #expect(String(decoding: request.body, as: UTF8.self) == body)
        #expect(request.header("X-Team") == (value.isEmpty ? nil : value))
        #expect(request.header("Accept") == (value.isEmpty ? "application/json" : value))
        #expect(request.target.contains("first=") == !value.isEmpty)
    }

    @Test func `is one of the values that the manifest allows`() async throws {
        let error = await #expect(throws: ConnectorError.self) { try await Self.target(["format": "raw"]) }
        #expect(error?.errorClass == .config)
        #expect(error?.code == "unknown_setting")
        #expect(error?.operatorDetail.contains("'format'; allowed: full, metadata") == true)
    }

    @Test(arguments: [
        ("config: []", "config: has to be a mapping"),
        ("config: { a-b: { default: x } }", "config.a-b: 'a-b' is not allowed"),
        ("config: { a: { one_of: [x] } }", "config.a.default: is missing"),
        ("config: { a: { default: y, one_of: [x] } }", "config.a.default: 'y' is not among one_of"),
        (
            "config: { a: { default: x, one_of: [x], list: true } }",
            "config.a.one_of: means nothing for a list"
        ),
    ])
    func `is refused in a form that cannot be meant`(line: String, expected: String) {
        let text = Self.text.replacing(
            """
            config:
              format: { default: full, one_of: [full, metadata] }
              properties: { default: "" }
            """, with: line)
        let error = #expect(throws: ManifestError.self) {
            try ManifestLoader.load(text, file: "demo.yaml")
        }
        #expect(error?.description.contains(expected) == true, "\(error?.description ?? "")")
    }

    @Test func `is refused for a place that every integration has to fill in`() {
        let text = Self.text.replacing("config:\n", with: "config:\n  region: { default: eu }\n")
            .replacing("base_url: ", with: "base_url: https://${config.region}.example.com # ")
        let error = #expect(throws: ManifestError.self) {
            try ManifestLoader.load(text, file: "demo.yaml")
        }
        #expect(
            error?.description.contains("'region' is a place of base_url") == true,
            "\(error?.description ?? "")")
    }

    @Test func `of Gmail is the format of messages`() throws {
        let registry = try ConnectorRegistry.load(builtin: BuiltinManifests.all, directories: [])
        let connector = try #require(registry.connector(for: "gmail") as? ManifestConnector)
        #expect(
            connector.manifest.settings == [
                "format": ConfigSetting(standard: "full", allowed: ["full", "metadata"])
            ])
    }
}
