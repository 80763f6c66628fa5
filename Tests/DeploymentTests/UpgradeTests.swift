// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@Suite struct `The commands of an upgrade on Kubernetes` {
    private let manifests: Manifests
    private let commands: [String]

    init() throws {
        manifests = try Manifests()
        commands = try YAML.text("docs/operators.md").split(separator: "\n").map(String.init).filter {
            $0.hasPrefix("kubectl -n lockstep ")
        }
    }

    /// The workloads whose pods and objects the selector of a command reaches.
    private func selected(by command: String) throws -> [String] {
        let selector = try #require(Selector(command), "\(command)")
        return manifests.workloads.filter { selector.selects($0.labels) }.map(\.name)
    }

    private func command(_ beginning: String) throws -> String {
        try #require(commands.first { $0.hasPrefix("kubectl -n lockstep \(beginning)") })
    }

    @Test func `wait for the pods that they end, and for no other`() throws {
        let deployments = manifests.workloads.filter { $0.object["kind"].text == "Deployment" }.map(\.name)
        let ended = try selected(by: command("scale deployment"))
        #expect(ended.filter(deployments.contains) == deployments)
        // The pod of the Job before ended long ago, and is there until its Job is deleted.
        let awaited = try selected(by: command("wait --for=delete pod"))
        #expect(awaited == deployments)
    }

    @Test func `migrate before anything starts`() throws {
        let first = try selected(by: command("apply -k . -l"))
        #expect(first == ["lockstep-migrate"])
        let order = try [
            "scale", "wait --for=delete", "delete job lockstep-migrate", "apply -k . -l",
            "wait --for=condition=complete job/lockstep-migrate",
        ].map { beginning in try #require(commands.firstIndex(of: command(beginning))) }
        #expect(order == order.sorted())
    }
}

/// What stands behind `-l` of a command: a label's value, or a list of them.
private struct Selector {
    let label: String
    let values: Set<String>

    init?(_ command: String) {
        if let found = command.firstMatch(of: /-l '([^ ']+) in \(([^)]*)\)'/) {
            label = String(found.1)
            values = Set(found.2.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) })
        } else if let found = command.firstMatch(of: /-l ([^ =']+)=([^ ']+)/) {
            label = String(found.1)
            values = [String(found.2)]
        } else {
            return nil
        }
    }

    func selects(_ labels: [String: String]) -> Bool {
        labels[label].map(values.contains) ?? false
    }
}
