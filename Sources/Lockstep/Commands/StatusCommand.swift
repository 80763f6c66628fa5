// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import SyncStore

struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "What the ledger holds, and the runs of the last 24 hours.")

    @OptionGroup var output: OutputOptions

    func run() async throws {
        try await CommandContext.run { context in
            let status = try await ClusterStatus.read(from: context.pool)
            let (services, runs) = Self.tables(status)
            if output.json {
                print(
                    """
                    {"active_integrations":\(status.activeIntegrations),\
                    "inactive_integrations":\(status.inactiveIntegrations),"records":\(status.liveRecords),\
                    "deletions":\(status.deletions),"quarantined":\(status.quarantined),\
                    "open_alerts":\(status.openAlerts),"services":\(services.json),"runs":\(runs.json)}
                    """)
            } else {
                print(services.text + "\n\n" + runs.text)
                print("\n\(status.quarantined) quarantined records, \(status.openAlerts) open alerts")
            }
        }
    }

    static func tables(_ status: ClusterStatus) -> (services: TextTable, runs: TextTable) {
        var services = TextTable(["Service", "Integrations", "Active", "Records", "Deletions"])
        for service in status.services {
            services.add([
                service.name, "\(service.integrations)", "\(service.active)", "\(service.liveRecords)",
                "\(service.deletions)",
            ])
        }
        var runs = TextTable([
            "Service", "Type", "Status", "Runs", "Added", "Updated", "Deleted", "Unchanged",
        ])
        for run in status.runs {
            runs.add([
                run.service, run.type, run.status, "\(run.count)", "\(run.added)", "\(run.updated)",
                "\(run.deleted)", "\(run.unchanged)",
            ])
        }
        return (services, runs)
    }
}
