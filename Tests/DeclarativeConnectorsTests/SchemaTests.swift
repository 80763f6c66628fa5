// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import Foundation
import Testing

@testable import DeclarativeConnectors

@Suite struct `The schema of manifests` {
    private static func schema() throws -> [String: Any] {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("docs/connector.schema.json")
        let value = try JSONSerialization.jsonObject(with: Data(contentsOf: file))
        return try #require(value as? [String: Any])
    }

    private static func properties(_ name: String?) throws -> Set<String> {
        let root = try schema()
        let definitions = root["$defs"] as? [String: Any] ?? [:]
        let definition = name.map { definitions[$0] as? [String: Any] ?? [:] } ?? root
        return Set((definition["properties"] as? [String: Any] ?? [:]).keys)
    }

    /// The words that a key of the schema allows.
    private static func words(_ definition: String, _ key: String) throws -> Set<String> {
        let definitions = try schema()["$defs"] as? [String: [String: Any]]
        let properties = definitions?[definition]?["properties"] as? [String: [String: Any]]
        return Set(properties?[key]?["enum"] as? [String] ?? [])
    }

    @Test func `has exactly the keys that the loader reads`() throws {
        #expect(try Self.properties(nil) == Set(ManifestLoader.keys))
        let members = try Self.schema()["properties"] as? [String: [String: Any]]
        let setting = members?["config"]?["additionalProperties"] as? [String: Any]
        #expect(Set((setting?["properties"] as? [String: Any] ?? [:]).keys) == Set(ConfigSetting.keys))
        #expect(try Self.properties("stream") == Set(StreamLoader.keys))
        #expect(try Self.properties("page") == Set(PageRuleLoader.keys))
        #expect(try Self.properties("incremental") == Set(IncrementalLoader.keys))
        #expect(try Self.properties("deleted_list") == Set(DeletedListLoader.keys))
        #expect(try Self.properties("hydrate") == Set(HydrationLoader.keys))
        #expect(try Self.properties("fetch") == Set(HydrationLoader.singleKeys))
        #expect(try Self.properties("webhook") == Set(WebhookLoader.keys))
        #expect(try Self.properties("webhook_event") == Set(WebhookLoader.ruleKeys))
        #expect(try Self.properties("watch") == Set(WebhookLoader.watchKeys))
        #expect(try Self.properties("hmac") == Set(HMACSchemeLoader.keys))
        #expect(try Self.properties("window_absence") == Set(WindowAbsenceLoader.keys))
        #expect(try Self.properties("limit") == Set(LimitLoader.keys))
        #expect(try Self.properties("limit_feedback") == Set(LimitLoader.feedbackKeys))
        #expect(try Self.properties("limit_quota") == Set(LimitLoader.quotaKeys))
        #expect(try Self.properties("limit_bucket") == Set(LimitLoader.bucketKeys))
        #expect(try Self.properties("error") == Set(ManifestLoader.errorKeys))
        #expect(try Self.properties("action") == Set(ActionLoader.keys))
        #expect(try Self.properties("action_variant") == Set(ActionLoader.variantKeys))
        #expect(try Self.properties("action_error") == Set(ActionLoader.errorKeys))
        #expect(try Self.properties("action_input") == Set(ActionInputLoader.keys))
        #expect(try Self.properties("action_repeat") == Set(ActionShapeLoader.repeatKeys))
        #expect(try Self.words("action_input", "type") == Set(ActionField.ValueType.allCases.map(\.rawValue)))
    }

    /// A word that the loader does not know is a problem that names all that it does.
    @Test(arguments: [("page", "page: { kind: x }"), ("incremental", "incremental: { kind: x }")])
    func `allows exactly the kinds that the loader knows`(definition: String, line: String) throws {
        let text =
            "lockstep: 1\nservice: s\nbase_url: https://a.example\nstreams:\n  x:\n    path: /x\n    id: /id\n"
            + "    records: /d\n    \(line)\n"
        let error = #expect(throws: ManifestError.self) { try ManifestLoader.load(text, file: "f") }
        let message = error?.problems.map(\.message).first { $0.contains("'x' is unknown") } ?? ""
        let allowed = message.components(separatedBy: "allowed: ").last?.components(separatedBy: ", ") ?? []
        #expect(try Self.words(definition, "kind") == Set(allowed))
    }
}
