// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A Grafana dashboard of `dashboards/`, as far as tests look at it.
struct Dashboard: Decodable {
    struct Source: Decodable {
        let uid: String
    }

    struct Target: Decodable {
        let datasource: Source
        let rawSql: String?
        let format: String?
        let expr: String?
    }

    struct Panel: Decodable {
        let title: String
        let description: String?
        let type: String
        let targets: [Target]?
        let fieldConfig: FieldConfig?

        /// The columns that the panel gives a look of their own.
        var namedColumns: [String] { fieldConfig?.overrides.map(\.matcher.options) ?? [] }
    }

    struct FieldConfig: Decodable {
        struct Override: Decodable {
            struct Matcher: Decodable { let options: String }
            let matcher: Matcher
        }
        let overrides: [Override]
    }

    struct Templating: Decodable {
        struct Variable: Decodable {
            let name: String
            let query: String
            let datasource: Source
        }
        let list: [Variable]
    }

    let uid: String
    let title: String
    let templating: Templating
    let panels: [Panel]

    static let directory = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("dashboards")

    static func all() throws -> [Dashboard] {
        try FileManager.default.contentsOfDirectory(at: directory, includingPropertiesForKeys: nil)
            .filter { $0.pathExtension == "json" }.sorted { $0.path < $1.path }
            .map { try JSONDecoder().decode(Dashboard.self, from: Data(contentsOf: $0)) }
    }

    /// A query as Grafana sends it: variables and macros are what it would make of them.
    /// https://grafana.com/docs/grafana/latest/datasources/postgres/
    static func expanded(_ sql: String, services: [String]) -> String {
        let list = services.map { "'\($0)'" }.joined(separator: ",")
        var text = sql.replacing("$service", with: list).replacing("$__interval", with: "1m")
        text.replace(/\$__timeFilter\(([a-z_.]+)\)/) { match in
            "\(match.1) BETWEEN now() - interval '1 day' AND now() + interval '1 minute'"
        }
        text.replace(/\$__timeGroup\(([a-z_.]+), 1m\)/) { match in
            "floor(extract(epoch from \(match.1))/60)*60"
        }
        return text
    }

    /// The metrics that a PromQL expression names. Grafana's own variables are none.
    static func metrics(in expression: String) -> Set<String> {
        Set(expression.matches(of: /lockstep_[a-z_]+/).map { String($0.0) })
    }
}
