// SPDX-License-Identifier: Apache-2.0

public import ConnectorKit
import Foundation

/// The connectors of a process: those that ship, and those of the operator's directories.
public struct ConnectorRegistry: Sendable {
    private let connectors: [String: any Connector]

    /// A registry of these; of two with the same service the later one counts.
    public init(_ connectors: [any Connector]) {
        self.connectors = Dictionary(
            connectors.map { ($0.service, $0) }, uniquingKeysWith: { _, later in later })
    }

    /// Loads manifests given as (file name, text), then every `.yaml` file of the directories in the order of their names.
    /// A later manifest replaces an earlier one of the same service. Throws all problems of all files.
    public static func load(
        builtin: [(file: String, text: String)], directories: [String]
    ) throws(ManifestError) -> ConnectorRegistry {
        var loaded: [any Connector] = []
        var problems: [ManifestProblem] = []
        var sources = builtin
        for directory in directories {
            do {
                let names = try FileManager.default.contentsOfDirectory(atPath: directory)
                for name in names.sorted() where name.hasSuffix(".yaml") || name.hasSuffix(".yml") {
                    let path = "\(directory)/\(name)"
                    sources.append((path, try String(contentsOfFile: path, encoding: .utf8)))
                }
            } catch {
                problems.append(
                    ManifestProblem(
                        file: directory, line: 1, key: "",
                        message: "cannot be read; a directory of .yaml files is expected"))
            }
        }
        for (file, text) in sources {
            do throws(ManifestError) {
                loaded.append(try ManifestLoader.load(text, file: file))
            } catch {
                problems += error.problems
            }
        }
        guard problems.isEmpty else { throw ManifestError(problems: problems) }
        return ConnectorRegistry(loaded)
    }

    /// The services, in order.
    public var services: [String] { connectors.keys.sorted() }

    /// The connector of a service; nil when there is none.
    public func connector(for service: String) -> (any Connector)? { connectors[service] }
}
