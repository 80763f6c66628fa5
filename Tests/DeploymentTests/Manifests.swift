// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The Kubernetes manifests of this repository.
struct Manifests {
    static let directory = "docker/kubernetes"
    static let examples = "secrets.example.yaml"

    /// What is applied.
    let objects: [YAML]
    /// What has to be there besides, with the values of the example.
    let examples: [YAML]
    /// The files that are applied.
    let files: [String]

    init() throws {
        let kustomization = try YAML.documents("\(Self.directory)/kustomization.yaml")
        files = kustomization.flatMap { $0["resources"].texts }
        objects = try files.flatMap { try YAML.documents("\(Self.directory)/\($0)") }
        examples = try YAML.documents("\(Self.directory)/\(Self.examples)")
    }

    func all(_ kind: String) -> [YAML] { objects.filter { $0["kind"].text == kind } }

    /// What starts processes, in the order in which the files are applied.
    var workloads: [Workload] {
        objects.filter { ["Deployment", "Job"].contains($0["kind"].text ?? "") }.map { Workload($0) }
    }

    /// The content of a ConfigMap or a Secret.
    func content(_ kind: String, _ name: String) -> [String: String]? {
        (objects + examples).first { $0["kind"].text == kind && $0["metadata", "name"].text == name }
            .map { $0["data"].strings.merging($0["stringData"].strings) { $1 } }
    }
}

/// A Deployment or a Job; each has one container.
struct Workload {
    let object: YAML

    init(_ object: YAML) {
        self.object = object
    }

    var name: String { object["metadata", "name"].text ?? "?" }
    var pod: YAML { object["spec", "template", "spec"] }
    var labels: [String: String] { object["spec", "template", "metadata", "labels"].strings }
    var annotations: [String: String] { object["spec", "template", "metadata", "annotations"].strings }
    var containers: [YAML] { pod["containers"].list + pod["initContainers"].list }
    var container: YAML { pod["containers"].list.first ?? YAML(nil) }
    var image: String { container["image"].text ?? "?" }
    var arguments: [String] { container["args"].texts }

    /// The ports by their names.
    var ports: [String: Int] {
        container["ports"].list.reduce(into: [:]) { $0[$1["name"].text ?? "?"] = $1["containerPort"].number }
    }

    var probes: [(path: String, port: Int?)] {
        ["startupProbe", "readinessProbe", "livenessProbe"].map { container[$0, "httpGet"] }
            .filter(\.exists).map { ($0["path"].text ?? "?", ports[$0["port"].text ?? "?"]) }
    }

    /// What a process finds, with the ConfigMaps and Secrets that are not required or without them; nil names what is missing.
    struct Surroundings {
        var environment: [String: String] = [:]
        /// Files by their paths.
        var files: [String: String] = [:]
        /// What is referred to and is not there.
        var missing: [String] = []
    }

    func surroundings(_ manifests: Manifests, withOptional: Bool) -> Surroundings {
        var found = Surroundings()
        func content(_ kind: String, _ name: String, _ reference: YAML) -> [String: String] {
            if reference["optional"].flag == true, !withOptional { return [:] }
            guard let content = manifests.content(kind, name) else {
                found.missing.append("\(kind) \(name)")
                return [:]
            }
            return content
        }
        for source in container["envFrom"].list {
            for (member, kind) in [("configMapRef", "ConfigMap"), ("secretRef", "Secret")] {
                guard let name = source[member, "name"].text else { continue }
                found.environment.merge(content(kind, name, source[member])) { $1 }
            }
        }
        for entry in container["env"].list {
            guard let name = entry["name"].text else { continue }
            if let value = entry["value"].text {
                found.environment[name] = value
            }
            let reference = entry["valueFrom", "secretKeyRef"]
            guard let secret = reference["name"].text, let key = reference["key"].text else { continue }
            let values = content("Secret", secret, reference)
            if let value = values[key] {
                found.environment[name] = value
            } else if reference["optional"].flag != true {
                found.missing.append("Secret \(secret), key \(key)")
            }
        }
        for mount in container["volumeMounts"].list {
            let volume = pod["volumes"].list.first { $0["name"].text == mount["name"].text } ?? YAML(nil)
            guard let path = mount["mountPath"].text, let name = volume["secret", "secretName"].text else {
                found.missing.append("volume \(mount["name"].text ?? "?")")
                continue
            }
            let values = content("Secret", name, volume["secret"])
            let items = volume["secret", "items"].list
            let names =
                items.isEmpty
                ? values.keys.map { ($0, $0) } : items.map { ($0["key"].text ?? "?", $0["path"].text ?? "?") }
            for (key, file) in names {
                if let value = values[key] {
                    found.files["\(path)/\(file)"] = value
                } else {
                    found.missing.append("Secret \(name), key \(key)")
                }
            }
        }
        return found
    }
}
