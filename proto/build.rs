//! Makes Rust of the service definitions, without protoc.
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use prost::Message;
use prost_types::FileDescriptorSet;

/// The methods of a BioLector XT that the daemon may call. Its client has code for these and for no others: none that
/// starts, stops, uploads, deletes, opens, closes or sets.
const ASKED_OF_A_BIOLECTOR: [&str; 17] = [
    "GetProtocols",
    "GetExperimentList",
    "DownloadExperiment",
    "GetCurrentProgress",
    "GetTemperatureControlStatus",
    "GetShakerControlStatus",
    "GetCoverState",
    "GetActualGassingMode",
    "GetGassingFlowrate",
    "GetTargetGasPercentage",
    "GetActualGasPercentage",
    "GetHumidityControlState",
    "GetCultivationValues",
    "StatusUpdateStream",
    // Only where the configuration allows the command.
    "AddComment",
    "PauseProtocol",
    "ContinueProtocol",
];

fn main() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    biolector_xt(&out)?;
    device_service(&out)?;
    println!("cargo:rerun-if-changed=biolector_xt");
    println!("cargo:rerun-if-changed=instrumentd");
    println!("cargo:rerun-if-changed=build.rs");
    Ok(())
}

fn biolector_xt(out: &Path) -> Result<(), Box<dyn Error>> {
    const PACKAGE: &str = "biolectorxt.api";
    const FILE: &str = "biolector_xt/remote_control.proto";
    let described = protox::compile([FILE], ["."])?;
    generator(&described, &out.join("biolector_xt.bin"))?
        .build_client(false)
        .server_mod_attribute(PACKAGE, "#[cfg(feature = \"server\")]")
        .compile_protos(&[FILE], &["."])?;
    let client = out.join("biolector_xt_client");
    fs::create_dir_all(&client)?;
    generator(&only(described, &ASKED_OF_A_BIOLECTOR), &client.join("services.bin"))?
        .build_server(false)
        .extern_path(format!(".{PACKAGE}"), "crate::biolector_xt")
        .out_dir(&client)
        .compile_protos(&[FILE], &["."])?;
    Ok(())
}

fn device_service(out: &Path) -> Result<(), Box<dyn Error>> {
    const FILE: &str = "instrumentd/device/v1/service.proto";
    let described = protox::compile([FILE], ["."])?;
    generator(&described, &out.join("device_service.bin"))?
        .server_mod_attribute("instrumentd.device.v1", "#[cfg(feature = \"server\")]")
        .compile_protos(&[FILE], &["."])?;
    Ok(())
}

/// A generator for what is described, which is put down at `path`: that way no protoc is run.
fn generator(described: &FileDescriptorSet, path: &Path) -> Result<tonic_prost_build::Builder, Box<dyn Error>> {
    fs::write(path, described.encode_to_vec())?;
    Ok(tonic_prost_build::configure()
        .file_descriptor_set_path(path)
        .skip_protoc_run()
        .build_transport(false)
        .with_extended_rust_types(true))
}

/// The same services with these methods alone.
fn only(mut described: FileDescriptorSet, methods: &[&str]) -> FileDescriptorSet {
    for service in described.file.iter_mut().flat_map(|file| &mut file.service) {
        service.method.retain(|method| methods.contains(&method.name()));
    }
    described
}
