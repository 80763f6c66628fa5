// SPDX-License-Identifier: Apache-2.0

import Foundation
import Model
import Settings
import Testing

@Suite struct `The Kubernetes manifests` {
    private let manifests: Manifests
    private let dockerfile: Dockerfile

    init() throws {
        manifests = try Manifests()
        dockerfile = try Dockerfile()
    }

    private func program(_ workload: Workload) throws -> Program {
        try #require(
            Program(dockerfile, image: workload.image, arguments: workload.arguments),
            "\(workload.name): \(workload.image) \(workload.arguments)")
    }

    /// What a process finds, with keys that somebody made.
    private func filled(_ workload: Workload, withOptional: Bool = true) -> Workload.Surroundings {
        var found = workload.surroundings(manifests, withOptional: withOptional)
        found.files = found.files.mapValues(Example.filled)
        return found
    }

    @Test func `are all there is, one container a pod`() throws {
        let found = try FileManager.default.contentsOfDirectory(
            atPath: YAML.root.appendingPathComponent(Manifests.directory).path)
        #expect(
            Set(found) == Set(manifests.files + ["kustomization.yaml", Manifests.examples, "keda"]))
        #expect(
            manifests.workloads.map(\.name) == [
                "lockstep-migrate", "lockstep-scheduler", "lockstep-worker", "lockstep-gateway",
            ])
        for workload in manifests.workloads { #expect(workload.containers.count == 1, "\(workload.name)") }
        #expect(manifests.all("Secret").isEmpty, "a secret of the repository would be applied")
    }

    @Test func `start the programs of the images`() throws {
        let programs = try manifests.workloads.map { try program($0) }
        #expect(programs == [.migrate, .scheduler, .worker, .gateway])
        for workload in manifests.workloads {
            #expect(!workload.container["command"].exists, "the image says what it starts")
        }
    }

    @Test(arguments: [true, false])
    func `set what the programs read, and nothing else`(withOptional: Bool) throws {
        for workload in manifests.workloads {
            let program = try program(workload)
            let found = filled(workload, withOptional: withOptional)
            #expect(found.missing.isEmpty, "\(workload.name)")
            let (settings, unread) = try ClusterSettings.checked(
                program, found.environment, files: found.files)
            #expect(unread.isEmpty, "\(workload.name)")
            #expect(settings.logFormat == .json && settings.publicURL?.hasPrefix("https://") == true)
            #expect(found.environment["DATABASE_URL"] != nil)
            #expect((found.environment["REDIS_URL"] != nil) == (program != .migrate), "\(workload.name)")
            // What is mounted is read: each file is named by a variable.
            #expect(Set(found.files.keys).subtracting(found.environment.values).isEmpty, "\(workload.name)")
            #expect((found.files.isEmpty) == (program == .migrate || program == .scheduler && !withOptional))
            if program == .worker || program == .gateway {
                #expect((settings.oauthClient(for: "slack")?.secret != nil) == withOptional)
                #expect((settings.webhookSecret(for: "slack") != nil) == withOptional)
            }
            if program == .scheduler { #expect((settings.alerts.webhookSecret != nil) == withOptional) }
            #expect((settings.adminToken != nil) == (program == .gateway && withOptional))
        }
    }

    @Test func `give no process a key that it does not need, and nobody a key that is everybody's`() throws {
        for workload in manifests.workloads {
            let program = try program(workload)
            let found = workload.surroundings(manifests, withOptional: false)
            let needsKeys = program.requirements.contains(.keys)
            #expect(found.files.keys.contains { $0.hasSuffix("/keys") } == needsKeys, "\(workload.name)")
            guard needsKeys else { continue }
            do {
                _ = try ClusterSettings.checked(program, found.environment, files: found.files)
                Issue.record("\(workload.name) starts with the key of the example")
            } catch let error as SettingsError {
                #expect(error.problems.map(\.name) == ["LOCKSTEP_KEYS_FILE"])
            }
        }
    }

    @Test func `keep from the programs what Kubernetes makes of the Services' names`() throws {
        let services = manifests.all("Service").compactMap { $0["metadata", "name"].text }
        #expect(services.count == 2)
        for workload in manifests.workloads {
            #expect(workload.pod["enableServiceLinks"].flag == false, "\(workload.name)")
            // Why: each of them would end with 78.
            let name = "\(services[0].uppercased().replacingOccurrences(of: "-", with: "_"))_SERVICE_HOST"
            let found = filled(workload)
            #expect(throws: SettingsError.self) {
                try ClusterSettings.checked(
                    try program(workload), found.environment.merging([name: "10.0.0.1"]) { $1 },
                    files: found.files)
            }
        }
    }

    @Test func `let nothing run that could do more than it needs`() throws {
        let user = try #require(dockerfile.user)
        for workload in manifests.workloads {
            let (pod, name) = (workload.pod, Comment(rawValue: workload.name))
            #expect(pod["automountServiceAccountToken"].flag == false, name)
            let context = pod["securityContext"]
            #expect(context["runAsNonRoot"].flag == true && context["runAsUser"].number == user, name)
            #expect(context["seccompProfile", "type"].text == "RuntimeDefault", name)
            // Secrets are readable for the group alone, which is the process'.
            #expect(context["fsGroup"].number == user && context["runAsGroup"].number == user, name)
            for volume in pod["volumes"].list {
                #expect(volume["secret", "defaultMode"].text == "0440", name)
            }
            for mount in workload.container["volumeMounts"].list {
                #expect(mount["readOnly"].flag == true, name)
            }
            let container = workload.container["securityContext"]
            #expect(container["allowPrivilegeEscalation"].flag == false, name)
            #expect(container["readOnlyRootFilesystem"].flag == true, name)
            #expect(container["capabilities", "drop"].texts == ["ALL"], name)
            #expect(!container["capabilities", "add"].exists && !container["privileged"].exists, name)
            for member in ["hostNetwork", "hostPID", "hostIPC"] { #expect(!pod[member].exists, name) }
        }
    }

    @Test func `ask what the programs answer, where they listen`() throws {
        for workload in manifests.workloads {
            let program = try program(workload)
            let found = filled(workload)
            let (settings, _) = try ClusterSettings.checked(
                program, found.environment, files: found.files)
            let paths = program.paths(settings)
            #expect(Set(workload.ports.values) == Set(paths.keys), "\(workload.name)")
            let asked = workload.probes
            #expect(Set(asked.map(\.path)) == (paths.isEmpty ? [] : ["/healthz", "/readyz"]))
            for (path, port) in asked {
                #expect(port.flatMap { paths[$0] }?.contains(path) == true, "\(workload.name): \(path)")
            }
            guard !paths.isEmpty else { continue }
            let notes = workload.annotations
            let port = notes["prometheus.io/port"].flatMap { Int($0) }
            let path = notes["prometheus.io/path"]
            #expect(notes["prometheus.io/scrape"] == "true")
            #expect(port.flatMap { paths[$0] }?.contains(path ?? "") == true, "\(workload.name)")
            // A process that waits for a server is not restarted for it at once.
            let live = workload.container["livenessProbe"]
            let patience = (live["periodSeconds"].number ?? 10) * (live["failureThreshold"].number ?? 3)
            #expect(patience >= (program == .gateway ? 60 : 300), "\(workload.name)")
            #expect(workload.container["readinessProbe", "httpGet", "path"].text == "/readyz")
        }
    }

    @Test func `leave the time that the programs take to end`() throws {
        for workload in manifests.workloads where workload.object["kind"].text == "Deployment" {
            let command = workload.container["lifecycle", "preStop", "exec", "command"].texts
            #expect(command.isEmpty || command[0] == "/bin/sleep" && command.count == 2)
            let before = command.last.flatMap { Int($0) } ?? 0
            let grace = try #require(workload.pod["terminationGracePeriodSeconds"].number)
            // The contract: 5 s more than it drains.
            let drain = try program(workload).drainLimit
            #expect(Duration.seconds(grace - before) >= drain + .seconds(5), "\(workload.name)")
        }
    }

    @Test func `have the memory that is promised`() throws {
        for workload in manifests.workloads {
            let resources = workload.container["resources"]
            let request = try #require(Self.mebibytes(resources["requests", "memory"].text))
            let limit = try #require(Self.mebibytes(resources["limits", "memory"].text))
            #expect(request <= limit && resources["requests", "cpu"].exists, "\(workload.name)")
            // What eight slots may take, and as much again for what the allocator keeps.
            if try program(workload) == .worker { #expect(request >= 256 && limit >= 2 * request) }
        }
    }

    private static func mebibytes(_ text: String?) -> Int? {
        guard let text, text.hasSuffix("Mi") else { return nil }
        return Int(text.dropLast(2))
    }

    @Test func `select the pods that they mean`() throws {
        func selected(_ labels: [String: String]) -> [String] {
            manifests.workloads.filter { workload in
                labels.allSatisfy { workload.labels[$0.key] == $0.value }
            }.map(\.name)
        }
        for workload in manifests.workloads {
            // An order by `-l` reaches an object and its pods alike.
            #expect(workload.object["metadata", "labels"].strings == workload.labels, "\(workload.name)")
            guard workload.object["kind"].text == "Deployment" else { continue }
            #expect(selected(workload.object["spec", "selector", "matchLabels"].strings) == [workload.name])
            for spread in workload.pod["topologySpreadConstraints"].list {
                #expect(selected(spread["labelSelector", "matchLabels"].strings) == [workload.name])
            }
        }
        let budgets = manifests.all("PodDisruptionBudget")
        #expect(budgets.count == 3)
        for budget in budgets {
            let name = try #require(budget["metadata", "name"].text)
            #expect(selected(budget["spec", "selector", "matchLabels"].strings) == [name])
            let workload = try #require(manifests.workloads.first { $0.name == name })
            let replicas = try #require(workload.object["spec", "replicas"].number)
            #expect(budget["spec", "maxUnavailable"].number.map { $0 < replicas } == true, "\(name)")
        }
        for service in manifests.all("Service") {
            #expect(selected(service["spec", "selector"].strings) == ["lockstep-gateway"])
            let gateway = try #require(manifests.workloads.first { $0.name == "lockstep-gateway" })
            for port in service["spec", "ports"].list {
                #expect(port["targetPort"].text.map { gateway.ports[$0] != nil } == true)
            }
        }
        let policies = manifests.all("NetworkPolicy").map {
            selected($0["spec", "podSelector", "matchLabels"].strings)
        }
        let everything = manifests.workloads.map(\.name)
        #expect(policies == [everything, ["lockstep-gateway"], everything])
    }

    @Test func `let the number of workers follow a metric, and no apply set it back`() throws {
        let scaled = try #require(try YAML.documents("\(Manifests.directory)/keda/scaledobject.yaml").first)
        let target = scaled["spec", "scaleTargetRef", "name"].text
        #expect(target == "lockstep-worker")
        let component = try #require(
            try YAML.documents("\(Manifests.directory)/keda/kustomization.yaml").first)
        #expect(component["resources"].texts == ["scaledobject.yaml"])
        let patch = try #require(component["patches"].list.first)
        #expect(patch["target", "name"].text == target)
        #expect(patch["patch"].text == "- op: remove\n  path: /spec/replicas")
    }
}

/// Values in place of those of the example that no program takes.
enum Example {
    static func filled(_ text: String) -> String {
        text.replacingOccurrences(
            of: "32-BYTES-IN-BASE64", with: "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")
    }
}
