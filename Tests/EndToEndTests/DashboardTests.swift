// SPDX-License-Identifier: Apache-2.0

import DevCluster
import Foundation
import HTTPTransport
import Logging
import PostgresClient
import Testing

/// The Grafana dashboards, against a cluster that has something to show.
@Suite(.serialized) struct `The dashboards` {
    /// Panels that this cluster has rows for.
    private static let filled: Set<String> = [
        "Freshness by service", "Accounts that need attention", "Failures by error code", "What users read",
        "Runs that ended", "Records", "Enqueue to start", "How long runs take", "Throttled seconds",
        "Webhooks",
        "Deletions held", "Open alerts", "Alerts that were opened", "Deletions by reason",
        "Answers by status",
        "Errors by class", "Duration", "Bytes read", "Endpoints", "Refused requests",
    ]

    @Test func `show columns and metrics that there are, to a role that sees no content`() async throws {
        let dashboards = try Dashboard.all()
        #expect(dashboards.count >= 3 && Set(dashboards.map(\.uid)).count == dashboards.count)
        try await Cluster.run(workers: 1, users: 2, objects: 100) { cluster in
            try await Self.fill(cluster)

            var seen: Set<String> = []
            for dashboard in dashboards {
                #expect(Set(dashboard.panels.map(\.title)).count == dashboard.panels.count)
                for variable in dashboard.templating.list {
                    #expect(variable.datasource.uid == "lockstep-postgres")
                    let found = try await Self.columns(of: variable.query, cluster)
                    #expect(found.columns.map(\.name) == ["service"] && found.rows == 2)
                }
                for panel in dashboard.panels where panel.type != "row" {
                    #expect(panel.description?.isEmpty == false, "\(panel.title) says nothing")
                    for target in panel.targets ?? [] {
                        guard let sql = target.rawSql else { continue }
                        #expect(target.datasource.uid == "lockstep-postgres", "\(panel.title)")
                        if try await Self.check(panel, target, sql, cluster) { seen.insert(panel.title) }
                    }
                }
            }
            #expect(Self.filled.subtracting(seen) == [], "panels show nothing")

            let known = try await Self.exported(cluster)
            var asked: Set<String> = []
            for panel in dashboards.flatMap(\.panels) {
                for target in panel.targets ?? [] {
                    guard let expression = target.expr else { continue }
                    let names = Dashboard.metrics(in: expression)
                    #expect(
                        target.datasource.uid == "lockstep-prometheus" && !names.isEmpty, "\(panel.title)")
                    #expect(
                        names.subtracting(known) == [], "\(panel.title) asks for metrics that nobody exports")
                    asked.formUnion(names)
                }
            }
            #expect(asked.count >= 15)
        }
    }

    /// Lets everything happen that the panels tell of: success, failure, a revoked token, held deletions, a webhook's run.
    private static func fill(_ cluster: Cluster) async throws {
        try await cluster.connect("stripe", users: 2)
        try await cluster.connect("google-calendar", users: 1)
        for service in ["stripe", "google-calendar"] {
            try await cluster.push("{\"user_id\":\"u_1\",\"service\":\"\(service)\",\"type\":\"full\"}")
        }
        try await cluster.until("sync_log WHERE status = 'succeeded'", is: 2)
        _ = try await cluster.control("edit?user=u_1&service=stripe&stream=customers&deletes=80")
        _ = try await cluster.control("edit?user=u_1&service=google-calendar&stream=events&deletes=3")
        _ = try await cluster.control("expire?user=u_1&tokens=sync")
        for service in ["stripe", "google-calendar"] {
            try await cluster.push("{\"user_id\":\"u_1\",\"service\":\"\(service)\",\"type\":\"full\"}")
        }
        try await cluster.until("sync_log WHERE status = 'succeeded'", is: 4)
        _ = try await cluster.control("revoke?user=u_2")
        try await cluster.push(#"{"user_id":"u_2","service":"stripe","type":"full"}"#)
        try await cluster.until("sync_log WHERE status = 'failed'", is: 1)
        try await cluster.push(#"{"user_id":"nobody","service":"stripe","type":"full"}"#)
        try await cluster.until("api_log WHERE error IS NOT NULL", atLeast: 1)
        // A run like that of a notification; how one comes about is tested elsewhere.
        _ = try await cluster.pool.query(
            """
            INSERT INTO lockstep.sync_log (job_id, attempt, integration_id, user_id, service, account, type, status, worker, fence,
                enqueued_at, started_at, completed_at)
            SELECT 'dashboard', 1, id, user_id, service, account, 'webhook', 'succeeded', 'w', 0, now(), now(), now()
            FROM lockstep.integrations WHERE user_id = 'u_1' AND service = 'stripe'
            """)
    }

    /// Runs a panel's query and checks that Grafana can show its columns; whether it has rows.
    private static func check(
        _ panel: Dashboard.Panel, _ target: Dashboard.Target, _ sql: String, _ cluster: Cluster
    ) async throws -> Bool {
        let text = Dashboard.expanded(sql, services: ["stripe", "google-calendar"])
        #expect(!text.contains("$"), "\(panel.title): a macro is not expanded: \(text)")
        let found: (columns: [(name: String, type: String)], rows: Int64)
        do {
            found = try await columns(of: text, cluster)
        } catch {
            Issue.record("\(panel.title): \(error)")
            return false
        }
        let names = found.columns.map(\.name)
        #expect(
            Set(panel.namedColumns).subtracting(names) == [], "\(panel.title): no such columns in \(names)")
        let numbers: Set<String> = ["int2", "int4", "int8", "float8", "numeric"]
        if target.format == "time_series" {
            #expect(names.first == "time", "\(panel.title): \(names)")
            for column in found.columns.dropFirst() {
                let isRight = column.name == "metric" ? column.type == "text" : numbers.contains(column.type)
                #expect(isRight, "\(panel.title): \(column)")
            }
            #expect(names.count >= 2 && sql.contains("ORDER BY 1"), "\(panel.title)")
        } else {
            #expect(target.format == "table" && sql.contains("ORDER BY"), "\(panel.title)")
        }
        return found.rows > 0
    }

    /// The columns of a query with their types, and how many rows it has, for who has the dashboards' role alone.
    private static func columns(
        of sql: String, _ cluster: Cluster
    ) async throws -> (columns: [(name: String, type: String)], rows: Int64) {
        try await cluster.pool.transaction { connection in
            _ = try await connection.query("SET LOCAL ROLE lockstep_dashboard")
            _ = try await connection.query("CREATE TEMP VIEW panel AS \(sql)")
            let count = try await connection.query("SELECT count(*) FROM panel").int(0, 0) ?? -1
            let rows = try await connection.query(
                """
                SELECT a.attname::text, t.typname::text FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
                WHERE a.attrelid = 'panel'::regclass AND a.attnum > 0 ORDER BY a.attnum
                """)
            _ = try await connection.query("DROP VIEW panel")
            return (
                (0..<rows.count).map { (rows.text($0, 0) ?? "", rows.text($0, 1) ?? "") }, count
            )
        }
    }

    /// The names of all series that the worker and the scheduler export.
    private static func exported(_ cluster: Cluster) async throws -> Set<String> {
        var names: Set<String> = []
        for process in ["worker-1", "scheduler"] {
            let port = try await cluster.processes.port(of: process)
            var configuration = HTTPClientConfiguration()
            configuration.addressPolicy = .allowing(hosts: ["127.0.0.1:\(port)"])
            let http = HTTPClient(configuration: configuration, logger: Logger(label: "http"))
            let answer = try await http.send(
                HTTPRequest(method: "GET", url: "http://127.0.0.1:\(port)/metrics", headers: []))
            let text = String(decoding: answer.body, as: UTF8.self)
            names.formUnion(
                text.split(separator: "\n").filter { !$0.hasPrefix("#") }
                    .map { String($0.prefix { $0 != "{" && $0 != " " }) })
        }
        return names
    }
}
