//! How the runtime in memory answers.

use std::time::Duration;

use futures::FutureExt;

use super::world::{FakeContainer, FakeSandbox, refused};
use super::{Command, FakeRuntime, Program};
use crate::cri::{
    Call, Container, ContainerConfig, ContainerStatus, Containers, ExecOutput, Image,
    ImageReference, Images, Login, NamespaceMode, PodResources, PulledImage, Resources, Sandbox,
    SandboxConfig, SandboxStatus, Sandboxes, Scope,
};
use crate::labels;
use crate::model::{ContainerId, ContainerState, PodUid, SandboxId, SandboxState, Told};
use crate::sync::Clock;

impl Sandboxes for FakeRuntime {
    fn run_sandbox(&self, config: SandboxConfig) -> Call<'_, SandboxId> {
        const CALL: &str = "RunPodSandbox";
        async move {
            let uid = PodUid::from(config.metadata.uid.as_str());
            let mut world = self.world();
            world.enter(CALL)?;
            let same = |one: &FakeSandbox| one.config.metadata == config.metadata;
            if world.sandboxes.values().any(same) {
                return Err(refused(CALL, "the sandbox's name is reserved".to_owned()));
            }
            let number = world.next_number();
            let id = SandboxId::from(format!("sandbox-{number:04}"));
            let ip = std::net::Ipv4Addr::from(0x0a00_0000 + number).into();
            let created_at = self.clock.now();
            let sandbox = FakeSandbox {
                config,
                is_ready: true,
                created_at,
                ip,
            };
            world.sandboxes.insert(id.clone(), sandbox);
            drop(world);
            self.announce(uid, id.as_str());
            Ok(id)
        }
        .boxed()
    }

    fn stop_sandbox(&self, id: SandboxId) -> Call<'_, ()> {
        const CALL: &str = "StopPodSandbox";
        async move {
            let (uid, running) = {
                let mut world = self.world();
                world.enter(CALL)?;
                let sandbox = world.sandbox(CALL, &id)?;
                sandbox.is_ready = false;
                (
                    PodUid::from(sandbox.config.metadata.uid.as_str()),
                    world.running_in(&id),
                )
            };
            for container in running {
                self.end(&container, 137, "");
            }
            self.announce(uid, id.as_str());
            Ok(())
        }
        .boxed()
    }

    fn remove_sandbox(&self, id: SandboxId) -> Call<'_, ()> {
        async move {
            let removed = {
                let mut world = self.world();
                world.enter("RemovePodSandbox")?;
                world
                    .containers
                    .retain(|_, container| container.sandbox != id);
                world.sandboxes.remove(&id)
            };
            if let Some(sandbox) = removed {
                self.announce(sandbox.config.metadata.uid.into(), id.as_str());
            }
            Ok(())
        }
        .boxed()
    }

    fn sandbox_status(&self, id: SandboxId) -> Call<'_, SandboxStatus> {
        const CALL: &str = "PodSandboxStatus";
        async move {
            let mut world = self.world();
            world.enter(CALL)?;
            let sandbox = world.sandbox(CALL, &id)?;
            let network = sandbox.config.namespaces.network.clone();
            let has_ip = sandbox.is_ready && network != NamespaceMode::Node;
            let ips = if has_ip { vec![sandbox.ip] } else { Vec::new() };
            Ok(SandboxStatus {
                sandbox: shown_sandbox(&id, sandbox),
                ips,
                network,
            })
        }
        .boxed()
    }

    fn update_sandbox_resources(&self, id: SandboxId, _resources: PodResources) -> Call<'_, ()> {
        const CALL: &str = "UpdatePodSandboxResources";
        async move {
            let mut world = self.world();
            world.enter(CALL)?;
            world.sandbox(CALL, &id).map(drop)
        }
        .boxed()
    }

    fn list_sandboxes(&self, scope: Scope) -> Call<'_, Vec<Sandbox>> {
        async move {
            let mut world = self.world();
            world.enter("ListPodSandbox")?;
            let all = world.sandboxes.iter();
            let wanted = all.filter(|(_, one)| is_in(&scope, &one.config.metadata.uid));
            Ok(wanted.map(|(id, one)| shown_sandbox(id, one)).collect())
        }
        .boxed()
    }
}

impl Containers for FakeRuntime {
    fn create_container(
        &self,
        sandbox: SandboxId,
        config: ContainerConfig,
        _sandbox_config: SandboxConfig,
    ) -> Call<'_, ContainerId> {
        const CALL: &str = "CreateContainer";
        async move {
            let mut world = self.world();
            world.enter(CALL)?;
            let owner = world.sandbox(CALL, &sandbox)?;
            if !owner.is_ready {
                return Err(refused(CALL, format!("sandbox {sandbox} is not ready")));
            }
            let uid = PodUid::from(owner.config.metadata.uid.as_str());
            let same = |one: &FakeContainer| {
                one.sandbox == sandbox && one.config.metadata == config.metadata
            };
            if world.containers.values().any(same) {
                return Err(refused(CALL, "the container's name is reserved".to_owned()));
            }
            if !world.present.contains(&config.image.image) {
                return Err(refused(CALL, format!("no image {}", config.image.image)));
            }
            let id = ContainerId::from(format!("container-{:04}", world.next_number()));
            let created_at = self.clock.now();
            let (state, owner) = (ContainerState::Created, uid.clone());
            let container = FakeContainer {
                sandbox,
                uid,
                config,
                created_at,
                state,
            };
            world.containers.insert(id.clone(), container);
            drop(world);
            self.announce(owner, id.as_str());
            Ok(id)
        }
        .boxed()
    }

    fn start_container(&self, id: ContainerId) -> Call<'_, ()> {
        const CALL: &str = "StartContainer";
        async move {
            let (uid, program) = {
                let mut world = self.world();
                world.enter(CALL)?;
                let started_at = self.clock.now();
                let container = world.container(CALL, &id)?;
                if container.state != ContainerState::Created {
                    return Err(refused(CALL, format!("container {id} was started before")));
                }
                container.state = ContainerState::Running { started_at };
                let name = container.config.metadata.name.clone();
                let uid = container.uid.clone();
                (
                    uid,
                    world
                        .programs
                        .get(&name)
                        .copied()
                        .unwrap_or(Program::RunsOn),
                )
            };
            self.announce(uid, id.as_str());
            if let Program::Exits { after, code } = program {
                let runtime = self.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(after).await;
                    runtime.end(&id, code, "");
                });
            }
            Ok(())
        }
        .boxed()
    }

    fn stop_container(&self, id: ContainerId, grace: Duration) -> Call<'_, ()> {
        const CALL: &str = "StopContainer";
        async move {
            let program = {
                let mut world = self.world();
                world.enter(CALL)?;
                let name = world.container(CALL, &id)?.config.metadata.name.clone();
                world.graces.push((name.clone(), grace.as_secs()));
                world
                    .programs
                    .get(&name)
                    .copied()
                    .unwrap_or(Program::RunsOn)
            };
            let code = match program {
                Program::RunsOn => 0,
                Program::Exits { .. } => 143,
                Program::IgnoresStop => {
                    tokio::time::sleep(grace).await;
                    137
                }
            };
            self.end(&id, code, "");
            Ok(())
        }
        .boxed()
    }

    fn remove_container(&self, id: ContainerId) -> Call<'_, ()> {
        async move {
            let removed = {
                let mut world = self.world();
                world.enter("RemoveContainer")?;
                world.containers.remove(&id)
            };
            if let Some(container) = removed {
                self.announce(container.uid, id.as_str());
            }
            Ok(())
        }
        .boxed()
    }

    fn update_container(&self, id: ContainerId, resources: Resources) -> Call<'_, ()> {
        const CALL: &str = "UpdateContainerResources";
        async move {
            let mut world = self.world();
            world.enter(CALL)?;
            let config = &mut world.container(CALL, &id)?.config;
            let told = (config.metadata.name.clone(), resources.clone());
            let has = &mut config.resources;
            for (own, asked) in [
                (&mut has.cpu_period, resources.cpu_period),
                (&mut has.cpu_quota, resources.cpu_quota),
                (&mut has.cpu_shares, resources.cpu_shares),
                (&mut has.memory_limit, resources.memory_limit),
                (&mut has.memory_swap_limit, resources.memory_swap_limit),
            ] {
                if asked != 0 {
                    *own = asked;
                }
            }
            for (own, asked) in [
                (&mut has.cpuset_cpus, resources.cpuset_cpus),
                (&mut has.cpuset_mems, resources.cpuset_mems),
            ] {
                if !asked.is_empty() {
                    *own = asked;
                }
            }
            has.huge_pages.extend(resources.huge_pages);
            has.unified.extend(resources.unified);
            world.updates.push(told);
            Ok(())
        }
        .boxed()
    }

    fn container_status(&self, id: ContainerId) -> Call<'_, ContainerStatus> {
        const CALL: &str = "ContainerStatus";
        async move {
            let mut world = self.world();
            world.enter(CALL)?;
            let log_path = world.log_path(CALL, &id)?;
            let container = world.container(CALL, &id)?;
            Ok(ContainerStatus {
                metadata: container.config.metadata.clone(),
                state: container.state.clone(),
                created_at: container.created_at,
                image: container.config.image.user_specified.clone(),
                image_id: container.config.image.image.clone(),
                labels: container.config.labels.clone(),
                annotations: container.config.annotations.clone(),
                log_path: log_path.display().to_string(),
                mounted_images: container
                    .config
                    .mounts
                    .iter()
                    .filter_map(|mount| Some(mount.image.as_ref()?.image.image.clone()))
                    .collect(),
                told: Told::default(),
                id,
            })
        }
        .boxed()
    }

    fn list_containers(&self, scope: Scope) -> Call<'_, Vec<Container>> {
        async move {
            let mut world = self.world();
            world.enter("ListContainers")?;
            let all = world.containers.iter();
            let wanted = all.filter(|(_, one)| {
                one.config
                    .labels
                    .get(labels::POD_UID)
                    .is_some_and(|uid| is_in(&scope, uid))
            });
            Ok(wanted.map(|(id, one)| shown_container(id, one)).collect())
        }
        .boxed()
    }

    fn exec_sync(
        &self,
        id: ContainerId,
        command: Vec<String>,
        _timeout: Duration,
    ) -> Call<'_, ExecOutput> {
        const CALL: &str = "ExecSync";
        async move {
            let line = command.join(" ");
            let command = {
                let mut world = self.world();
                world.enter(CALL)?;
                world.container(CALL, &id)?;
                world.ran.push(line.clone());
                world.commands.get(&line).copied()
            };
            let exit_code = match command.unwrap_or(Command::Exits(0)) {
                Command::Exits(code) => code,
                Command::RunsOn => std::future::pending().await,
            };
            Ok(ExecOutput {
                stdout: line.into_bytes(),
                stderr: Vec::new(),
                exit_code,
            })
        }
        .boxed()
    }

    fn reopen_log(&self, id: ContainerId) -> Call<'_, ()> {
        const CALL: &str = "ReopenContainerLog";
        async move {
            let mut world = self.world();
            world.enter(CALL)?;
            let log = world.log_path(CALL, &id)?;
            let open = std::fs::OpenOptions::new()
                .append(true)
                .create(true)
                .open(log);
            open.map(drop)
                .map_err(|error| refused(CALL, error.to_string()))
        }
        .boxed()
    }
}

impl Images for FakeRuntime {
    fn image(&self, reference: ImageReference) -> Call<'_, Option<Image>> {
        async move {
            let mut world = self.world();
            world.enter("ImageStatus")?;
            let is_present = world.present.contains(&reference.image);
            Ok(is_present.then(|| Image {
                id: reference.image,
                size: 1,
                ..Image::default()
            }))
        }
        .boxed()
    }

    fn list_images(&self) -> Call<'_, Vec<Image>> {
        async move {
            let mut world = self.world();
            world.enter("ListImages")?;
            let present = world.present.iter().map(|id| Image {
                id: id.clone(),
                size: 1,
                ..Image::default()
            });
            Ok(present.collect())
        }
        .boxed()
    }

    fn remove_image(&self, reference: ImageReference) -> Call<'_, ()> {
        async move {
            let mut world = self.world();
            world.enter("RemoveImage")?;
            world.present.remove(&reference.image);
            Ok(())
        }
        .boxed()
    }

    fn pull_image(
        &self,
        reference: ImageReference,
        login: Option<Login>,
        _sandbox_config: SandboxConfig,
    ) -> Call<'_, PulledImage> {
        const CALL: &str = "PullImage";
        async move {
            let mut world = self.world();
            world.enter(CALL)?;
            if !world.published.contains(&reference.image) {
                return Err(refused(
                    CALL,
                    format!("{}: manifest unknown", reference.image),
                ));
            }
            if world
                .protected
                .get(&reference.image)
                .is_some_and(|wanted| Some(wanted) != login.as_ref())
            {
                return Err(refused(CALL, "authorization failed".to_owned()));
            }
            world.present.insert(reference.image.clone());
            Ok(PulledImage {
                reference: reference.image,
            })
        }
        .boxed()
    }
}

fn is_in(scope: &Scope, uid: &str) -> bool {
    match scope {
        Scope::All => true,
        Scope::Pod(wanted) => wanted.as_str() == uid,
    }
}

fn shown_sandbox(id: &SandboxId, sandbox: &FakeSandbox) -> Sandbox {
    let config = &sandbox.config;
    Sandbox {
        id: id.clone(),
        metadata: config.metadata.clone(),
        state: if sandbox.is_ready {
            SandboxState::Ready
        } else {
            SandboxState::NotReady
        },
        created_at: sandbox.created_at,
        labels: config.labels.clone(),
        annotations: config.annotations.clone(),
    }
}

fn shown_container(id: &ContainerId, container: &FakeContainer) -> Container {
    Container {
        id: id.clone(),
        sandbox: container.sandbox.clone(),
        metadata: container.config.metadata.clone(),
        phase: container.phase(),
        created_at: container.created_at,
        labels: container.config.labels.clone(),
        image_id: container.config.image.image.clone(),
    }
}
